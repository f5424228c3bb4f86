/* status.c: see status.h. One page of text, made of the counters in shared memory and of the region of the
 * worker that answers. */
#include "status.h"

#include "counters.h"
#include "queue.h"
#include "worker.h"

struct page {
  ngx_pool_t *pool;
  u_char *data;
  size_t length, capacity;
  ngx_flag_t failed;
};

static void print(struct page *page, const char *format, ...) {
  u_char line[1024];
  va_list arguments;
  va_start(arguments, format);
  size_t length = (size_t)(ngx_vslprintf(line, line + sizeof line, format, arguments) - line);
  va_end(arguments);
  if (page->length + length > page->capacity) {
    size_t capacity = 2 * page->capacity + length + 4096;
    u_char *larger = ngx_pnalloc(page->pool, capacity);
    if (!larger) {
      page->failed = 1;
      return;
    }
    if (page->length) ngx_memcpy(larger, page->data, page->length);
    page->data = larger;
    page->capacity = capacity;
  }
  ngx_memcpy(page->data + page->length, line, length);
  page->length += length;
}

/* A name from the configuration, for a JSON string or a label: what needs escaping there becomes '?'. */
static ngx_str_t plain(ngx_pool_t *pool, ngx_str_t name) {
  ngx_str_t copy = {name.len, ngx_pnalloc(pool, name.len)};
  if (!copy.data) copy.len = 0;
  for (size_t i = 0; i < copy.len; i++) {
    u_char c = name.data[i];
    copy.data[i] = c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : c;
  }
  return copy;
}

/* ---- the region of this worker ---- */

struct number {
  const char *name;
  uint64_t value;
};
enum { REGION_NUMBERS = 10 };

static ngx_flag_t region_numbers(struct main_conf *main, struct number *n, lucet_region_stats *stats) {
  *stats = lucet_region_stats_default();
  if (!main->region || lucet_region_get_stats(main->region, stats) != LUCET_OK) return 0;
  const struct number all[REGION_NUMBERS] = {{"capacity", stats->capacity},
                                             {"live", stats->live},
                                             {"waiting", stats->waiting},
                                             {"created", stats->created},
                                             {"released", stats->released},
                                             {"trapped", stats->trapped},
                                             {"terminated", stats->terminated},
                                             {"stops_deferred", stats->stops_deferred},
                                             {"resident_bytes", stats->resident_bytes},
                                             {"reserved_bytes", stats->reserved_bytes}};
  ngx_memcpy(n, all, sizeof all);
  return 1;
}

/* The gauges of all workers; this one's are made up to date first, the others' are as of their last request
 * for it. */
static void refresh(struct main_conf *main) {
  lucet_region_stats stats = lucet_region_stats_default();
  struct gauges *gauges = &counters_mine()->gauges;
  if (main->region && lucet_region_get_stats(main->region, &stats) == LUCET_OK) {
    gauges->live = stats.live;
    gauges->waiting = stats.waiting;
  }
  gauges->queued = queue_length();
  gauges->without_slot = queue_slots_wanted();
}

/* ---- JSON ---- */

static void json_traps(struct page *page, const lucet_region_stats *stats) {
  const char *separator = "";
  print(page, "  \"traps\": {");
  for (uint32_t i = 0; i < sizeof stats->traps / sizeof stats->traps[0]; i++) {
    if (!stats->traps[i]) continue;
    print(page, "%s\"%s\": %uL", separator, lucet_trap_name(i), stats->traps[i]);
    separator = ", ";
  }
  print(page, "},\n");
}

static void json_region(struct page *page, struct main_conf *main) {
  struct number numbers[REGION_NUMBERS];
  lucet_region_stats stats;
  if (!region_numbers(main, numbers, &stats)) return;
  print(page, "  \"region\": {");
  for (ngx_uint_t i = 0; i < REGION_NUMBERS; i++)
    print(page, "%s\"%s\": %uL", i ? ", " : "", numbers[i].name, numbers[i].value);
  print(page, ", \"signals_lost\": %uL},\n", stats.signals_lost);
  json_traps(page, &stats);
}

static void json_workers(struct page *page, struct main_conf *main) {
  const char *separator = "";
  print(page, "  \"workers\": [");
  for (ngx_uint_t i = 0; i < COUNTED_WORKERS; i++) {
    const struct worker_counts *worker = counters_worker(main, i);
    if (!worker) continue;
    print(page,
          "%s\n    {\"pid\": %uA, \"live\": %uL, \"waiting\": %uL, \"queued\": %uL, \"without_slot\": %uL}",
          separator, worker->pid, worker->gauges.live, worker->gauges.waiting, worker->gauges.queued,
          worker->gauges.without_slot);
    separator = ",";
  }
  print(page, "\n  ],\n");
}

static void json(struct page *page, struct main_conf *main) {
  struct guest **all = main->guests.elts;
  print(page, "{\n  \"pid\": %P,\n  \"lucet\": \"%ui.%ui.%ui\",\n", ngx_pid,
        (ngx_uint_t)lucet_version() >> 16, (ngx_uint_t)lucet_version() >> 8 & 255,
        (ngx_uint_t)lucet_version() & 255);
  print(page, "  \"handlers_in_place\": %s,\n", lucet_signals_check() == LUCET_OK ? "true" : "false");
  json_region(page, main);
  json_workers(page, main);
  print(page, "  \"guests\": [");
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++) {
    ngx_str_t name = plain(page->pool, all[i]->name);
    print(page, "%s\n    {\"name\": \"%V\", \"build_id\": \"%s\"", i ? "," : "", &name,
          lucet_module_build_id(all[i]->module));
    for (enum counter c = 0; c < COUNTERS; c++)
      print(page, ", \"%s\": %uL", counter_names[c], counters_total(main, all[i], c));
    print(page, "}");
  }
  print(page, "\n  ]\n}\n");
}

/* ---- Prometheus ---- */

static void prometheus(struct page *page, struct main_conf *main) {
  struct guest **all = main->guests.elts;
  struct number numbers[REGION_NUMBERS];
  lucet_region_stats stats;
  for (enum counter c = 0; c < COUNTERS; c++) {
    print(page, "# TYPE lucet_guest_%s_total counter\n", counter_names[c]);
    for (ngx_uint_t i = 0; i < main->guests.nelts; i++) {
      ngx_str_t name = plain(page->pool, all[i]->name);
      print(page, "lucet_guest_%s_total{guest=\"%V\"} %uL\n", counter_names[c], &name,
            counters_total(main, all[i], c));
    }
  }
  static const char *const gauges[] = {"live", "waiting", "queued", "without_slot"};
  for (ngx_uint_t g = 0; g < 4; g++) {
    print(page, "# TYPE lucet_worker_%s gauge\n", gauges[g]);
    for (ngx_uint_t i = 0; i < COUNTED_WORKERS; i++) {
      const struct worker_counts *worker = counters_worker(main, i);
      if (!worker) continue;
      const uint64_t values[] = {worker->gauges.live, worker->gauges.waiting, worker->gauges.queued,
                                 worker->gauges.without_slot};
      print(page, "lucet_worker_%s{pid=\"%uA\"} %uL\n", gauges[g], worker->pid, values[g]);
    }
  }
  if (!region_numbers(main, numbers, &stats)) return;
  for (ngx_uint_t i = 0; i < REGION_NUMBERS; i++)
    print(page, "# TYPE lucet_region_%s gauge\nlucet_region_%s{pid=\"%P\"} %uL\n", numbers[i].name,
          numbers[i].name, ngx_pid, numbers[i].value);
}

ngx_int_t status_handler(ngx_http_request_t *r) {
  struct main_conf *main = ngx_http_get_module_main_conf(r, ngx_http_lucet_module);
  struct loc_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
  ngx_flag_t as_json = conf->status_format == STATUS_JSON;
  struct page page = {.pool = r->pool};
  if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) return NGX_HTTP_NOT_ALLOWED;
  ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) return rc;
  refresh(main);
  as_json ? json(&page, main) : prometheus(&page, main);
  ngx_buf_t *b = ngx_calloc_buf(r->pool);
  if (page.failed || !b) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_str_t type = ngx_string("application/json"), text = ngx_string("text/plain; version=0.0.4");
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_type = as_json ? type : text;
  r->headers_out.content_type_len = r->headers_out.content_type.len;
  r->headers_out.content_length_n = (off_t)page.length;
  rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
  b->pos = page.data;
  b->last = page.data + page.length;
  b->memory = 1;
  b->last_buf = r == r->main;
  b->last_in_chain = 1;
  return ngx_http_output_filter(r, &(ngx_chain_t){b, NULL});
}
