/* counters.c: see counters.h. The zone has no lock: a block is taken by a compare and swap of its pid, and
 * what a dead worker left there is added to what is past by whoever takes its block. */
#include "counters.h"

struct zone {
  ngx_uint_t names_used;
  u_char names[COUNTED_GUESTS][64];
  uint64_t past[COUNTED_GUESTS][ALL_COUNTERS];
  struct worker_counts workers[COUNTED_WORKERS];
};

const char *const counter_names[COUNTERS] = {
    "started", "returned", "trapped",     "stopped_cpu", "stopped_timeout", "stopped_nested", "aborted",
    "refused", "failed",   "suspensions", "slices",      "fetches",         "log_lines"};

const char *const gauge_names[GAUGES] = {"live", "waiting", "queued", "without_slot"};

/* Of this process. A worker without a block counts for itself alone. */
static struct worker_counts nowhere;
static struct worker_counts *mine = &nowhere;

static struct zone *zone_of(const struct main_conf *main) { return main->zone ? main->zone->data : NULL; }

/* Every guest has a line, that of its name; a name that is too long or new when all are taken shares the last
 * one. */
static void name_guests(struct zone *zone, struct main_conf *main) {
  struct guest **all = main->guests.elts;
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++) {
    u_char name[64] = {0};
    ngx_uint_t at = 0;
    ngx_cpystrn(name, all[i]->name.data, ngx_min(all[i]->name.len + 1, sizeof name));
    while (at < zone->names_used && ngx_memcmp(zone->names[at], name, sizeof name) != 0)
      at++;
    if (at == COUNTED_GUESTS) at--;
    if (at == zone->names_used) ngx_memcpy(zone->names[zone->names_used++], name, sizeof name);
    all[i]->index = at;
  }
}

static ngx_int_t init_zone(ngx_shm_zone_t *shm, void *old) {
  ngx_slab_pool_t *slabs = (ngx_slab_pool_t *)shm->shm.addr;
  struct main_conf *main = shm->data;
  struct zone *zone = old ? old : shm->shm.exists ? slabs->data : ngx_slab_calloc(slabs, sizeof *zone);
  if (!zone) return NGX_ERROR;
  slabs->data = zone;
  shm->data = zone;
  name_guests(zone, main);
  return NGX_OK;
}

ngx_int_t counters_zone(ngx_conf_t *cf, struct main_conf *main) {
  ngx_str_t name = ngx_string("lucet_counters");
  main->zone =
      ngx_shared_memory_add(cf, &name, sizeof(struct zone) + 16 * ngx_pagesize, &ngx_http_lucet_module);
  if (!main->zone) return NGX_ERROR;
  main->zone->init = init_zone;
  main->zone->data = main;
  return NGX_OK;
}

static void add_to_past(struct zone *zone, struct worker_counts *worker) {
  for (ngx_uint_t g = 0; g < COUNTED_GUESTS; g++)
    for (ngx_uint_t i = 0; i < ALL_COUNTERS; i++) {
      if (worker->counts[g][i]) ngx_atomic_fetch_add((ngx_atomic_t *)&zone->past[g][i], worker->counts[g][i]);
      worker->counts[g][i] = 0;
    }
  ngx_memzero(worker->gauges, sizeof worker->gauges);
  ngx_memzero(worker->region, sizeof worker->region);
  worker->gone = 0;
}

static ngx_flag_t is_dead(ngx_atomic_uint_t pid) {
  return pid && kill((pid_t)pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}

void counters_join(struct main_conf *main) {
  struct zone *zone = zone_of(main);
  if (mine != &nowhere || !zone) return;
  for (ngx_uint_t i = 0; i < COUNTED_WORKERS; i++) {
    struct worker_counts *worker = &zone->workers[i];
    ngx_atomic_uint_t before = worker->pid;
    if (before && !is_dead(before)) continue;
    if (!ngx_atomic_cmp_set(&worker->pid, before, (ngx_atomic_uint_t)ngx_pid)) continue;
    add_to_past(zone, worker);
    mine = worker;
    return;
  }
}

void counters_leave(void) {
  /* The block stays ours until we are gone: the next worker finds it so. */
  mine->gone = 1;
}

void count(const struct guest *guest, ngx_uint_t counter) { mine->counts[guest->index][counter]++; }

void gauge(enum gauge gauge, ngx_int_t by) { mine->gauges[gauge] += (uint64_t)by; }

uint64_t counters_total(const struct main_conf *main, const struct guest *guest, ngx_uint_t counter) {
  struct zone *zone = zone_of(main);
  if (!zone) return mine->counts[guest->index][counter];
  uint64_t sum = zone->past[guest->index][counter];
  for (ngx_uint_t i = 0; i < COUNTED_WORKERS; i++)
    sum += zone->workers[i].counts[guest->index][counter];
  return mine == &nowhere ? sum + nowhere.counts[guest->index][counter] : sum;
}

struct worker_counts *counters_worker(const struct main_conf *main, ngx_uint_t number) {
  struct zone *zone = zone_of(main);
  if (!zone || number >= COUNTED_WORKERS) return NULL;
  struct worker_counts *worker = &zone->workers[number];
  return worker->pid && !worker->gone && !is_dead(worker->pid) ? worker : NULL;
}

struct worker_counts *counters_mine(void) { return mine; }
