/* worker.c: see worker.h. nginx gives up a site whose workers fail to start, so nothing here does: what is
 * missing makes the requests fail that need it, with a 503 and a line in the log. Regions belong to the
 * process that makes them, so the master makes none; nor do the manager and the loader of caches, which serve
 * nobody. */
#include "worker.h"

#include "counters.h"
#include "queue.h"
#include "sleep.h"
#include "status.h"

static void on_log(void *data, int level, const char *text, size_t length) {
  static const ngx_uint_t levels[] = {NGX_LOG_ERR, NGX_LOG_WARN, NGX_LOG_INFO};
  ngx_uint_t at = level >= 0 && level < 3 ? levels[level] : NGX_LOG_INFO;
  (void)data;
  ngx_log_error(at, ngx_cycle->log, 0, "lucet: %*s", length, text);
}

lucet_region *worker_region(struct main_conf *main) {
  if (main->region || main->region_failed) return main->region;
  main->pool.log = on_log;
  if (lucet_region_new(&main->pool, &main->region) == LUCET_OK) return main->region;
  ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, 0, "lucet: no region for lucet_pool: %s", lucet_last_error());
  main->region_failed = 1;
  main->region = NULL;
  return NULL;
}

ngx_flag_t worker_has_room(const lucet_region_config *pool) {
  const uint64_t least = UINT64_C(6) << 30; /* of an instance, guard and all: see lucet_region_new */
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) return 1;
  uint64_t each = pool->memory_bytes > least ? pool->memory_bytes : least;
  void *room = mmap(NULL, pool->instances * each, PROT_NONE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return 0;
  munmap(room, pool->instances * each);
  return 1;
}

/* Once in a second, as long as guests run; more seldom where it takes long: it asks the kernel about each
 * instance, and everybody waits for that. */
static ngx_event_t publisher;
static ngx_msec_t publish_after = 1000;

static void publish(ngx_event_t *event) {
  uint64_t before = now_ns();
  status_publish(event->data);
  publish_after = ngx_max((ngx_msec_t)1000, (ngx_msec_t)((now_ns() - before) / 1000)); /* a thousandth */
}

void worker_at_work(struct main_conf *main) {
  if (publisher.timer_set) return;
  publisher.handler = publish;
  publisher.data = main;
  publisher.log = ngx_cycle->log;
  publisher.cancelable = 1; /* keeps no worker that is to end */
  ngx_add_timer(&publisher, publish_after);
}

ngx_int_t worker_init(ngx_cycle_t *cycle) {
  struct main_conf *main = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_lucet_module);
  if (!main || !main->used || ngx_process == NGX_PROCESS_HELPER) return NGX_OK;
  queue_init();
  counters_join(main);
  /* nginx's own handlers have no SA_ONSTACK: without it they would need room on the guests' stacks, and a
   * guest that leaves none would make nginx lose signals. They are all set by now. */
  if (lucet_signals_choose_stop((int)main->stop_signal) != LUCET_OK ||
      lucet_signals_install(LUCET_SIGNALS_ONSTACK) != LUCET_OK) {
    ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "lucet: signals: %s", lucet_last_error());
    main->region_failed = 1;
    return NGX_OK;
  }
  if (sleep_init(cycle) != NGX_OK) {
    main->region_failed = 1;
    return NGX_OK;
  }
  worker_region(main);
  return NGX_OK;
}

void worker_exit(ngx_cycle_t *cycle) {
  (void)cycle;
  counters_leave();
}
