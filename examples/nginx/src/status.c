/* status.c: see status.h. One page of text, made of what all workers have put into shared memory. */
#include "status.h"

#include "counters.h"
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

/* ---- the regions ---- */

static const struct {
  const char *name, *type;
} region_names[COUNTED_REGION] = {
    {"capacity", "gauge"},       {"live", "gauge"},
    {"waiting", "gauge"},        {"created", "counter"},
    {"released", "counter"},     {"trapped", "counter"},
    {"terminated", "counter"},   {"stops_deferred", "counter"},
    {"resident_bytes", "gauge"}, {"reserved_bytes", "gauge"},
    {"signals_lost", "counter"},
};

void status_publish(struct main_conf *main) {
  lucet_region_stats stats = lucet_region_stats_default();
  if (!main->region || lucet_region_get_stats(main->region, &stats) != LUCET_OK) return;
  const uint64_t all[COUNTED_REGION] = {stats.capacity,       stats.live,           stats.waiting,
                                        stats.created,        stats.released,       stats.trapped,
                                        stats.terminated,     stats.stops_deferred, stats.resident_bytes,
                                        stats.reserved_bytes, stats.signals_lost};
  ngx_memcpy(counters_mine()->region, all, sizeof all);
}

static ngx_flag_t has_region(const struct worker_counts *worker) { return worker->region[0] > 0; }

/* ---- JSON ---- */

static void json_region(struct page *page, const struct worker_counts *worker) {
  for (ngx_uint_t i = 0; i < COUNTED_REGION; i++)
    print(page, "%s\"%s\": %uL", i ? ", " : "", region_names[i].name, worker->region[i]);
}

static void json_workers(struct page *page, struct main_conf *main) {
  const char *separator = "";
  print(page, "  \"workers\": [");
  for (ngx_uint_t i = 0; i < COUNTED_WORKERS; i++) {
    const struct worker_counts *worker = counters_worker(main, i);
    if (!worker) continue;
    print(page, "%s\n    {\"pid\": %uA", separator, worker->pid);
    for (ngx_uint_t g = 0; g < GAUGES; g++)
      print(page, ", \"%s\": %uL", gauge_names[g], worker->gauges[g]);
    if (has_region(worker)) {
      print(page, ", \"region\": {");
      json_region(page, worker);
      print(page, "}");
    }
    print(page, "}");
    separator = ",";
  }
  print(page, "\n  ],\n");
}

static void json_guest(struct page *page, struct main_conf *main, const struct guest *guest) {
  ngx_str_t name = plain(page->pool, guest->name);
  const char *separator = "";
  print(page, "\n    {\"name\": \"%V\", \"build_id\": \"%s\"", &name, lucet_module_build_id(guest->module));
  for (enum counter c = 0; c < COUNTERS; c++)
    print(page, ", \"%s\": %uL", counter_names[c], counters_total(main, guest, c));
  print(page, ", \"traps\": {");
  for (ngx_uint_t trap = 0; trap < TRAPS; trap++) {
    uint64_t n = counters_total(main, guest, COUNT_TRAPS + trap);
    if (!n) continue;
    print(page, "%s\"%s\": %uL", separator, lucet_trap_name((uint32_t)trap), n);
    separator = ", ";
  }
  print(page, "}}");
}

static void json(struct page *page, struct main_conf *main) {
  struct guest **all = main->guests.elts;
  print(page, "{\n  \"pid\": %P,\n  \"lucet\": \"%ui.%ui.%ui\",\n", ngx_pid,
        (ngx_uint_t)lucet_version() >> 16, (ngx_uint_t)lucet_version() >> 8 & 255,
        (ngx_uint_t)lucet_version() & 255);
  print(page, "  \"handlers_in_place\": %s,\n", lucet_signals_check() == LUCET_OK ? "true" : "false");
  if (has_region(counters_mine())) {
    print(page, "  \"region\": {");
    json_region(page, counters_mine());
    print(page, "},\n");
  }
  json_workers(page, main);
  print(page, "  \"guests\": [");
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++) {
    if (i) print(page, ",");
    json_guest(page, main, all[i]);
  }
  print(page, "\n  ]\n}\n");
}

/* ---- Prometheus ---- */

static void prometheus_guests(struct page *page, struct main_conf *main) {
  struct guest **all = main->guests.elts;
  for (enum counter c = 0; c < COUNTERS; c++) {
    print(page, "# TYPE lucet_guest_%s_total counter\n", counter_names[c]);
    for (ngx_uint_t i = 0; i < main->guests.nelts; i++) {
      ngx_str_t name = plain(page->pool, all[i]->name);
      print(page, "lucet_guest_%s_total{guest=\"%V\"} %uL\n", counter_names[c], &name,
            counters_total(main, all[i], c));
    }
  }
  print(page, "# TYPE lucet_guest_traps_total counter\n");
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++)
    for (ngx_uint_t trap = 0; trap < TRAPS; trap++) {
      ngx_str_t name = plain(page->pool, all[i]->name);
      uint64_t n = counters_total(main, all[i], COUNT_TRAPS + trap);
      if (!n) continue;
      print(page, "lucet_guest_traps_total{guest=\"%V\",trap=\"%s\"} %uL\n", &name,
            lucet_trap_name((uint32_t)trap), n);
    }
}

/* The gauges, and then the regions' figures, of all workers that live. */
static void prometheus_workers(struct page *page, struct main_conf *main) {
  for (ngx_uint_t g = 0; g < GAUGES + COUNTED_REGION; g++) {
    const char *kind = g < GAUGES ? "worker" : "region";
    const char *name = g < GAUGES ? gauge_names[g] : region_names[g - GAUGES].name;
    print(page, "# TYPE lucet_%s_%s %s\n", kind, name, g < GAUGES ? "gauge" : region_names[g - GAUGES].type);
    for (ngx_uint_t i = 0; i < COUNTED_WORKERS; i++) {
      const struct worker_counts *worker = counters_worker(main, i);
      if (!worker || (g >= GAUGES && !has_region(worker))) continue;
      print(page, "lucet_%s_%s{pid=\"%uA\"} %uL\n", kind, name, worker->pid,
            g < GAUGES ? worker->gauges[g] : worker->region[g - GAUGES]);
    }
  }
}

static void prometheus(struct page *page, struct main_conf *main) {
  prometheus_guests(page, main);
  prometheus_workers(page, main);
  print(page, "# TYPE lucet_handlers_in_place gauge\nlucet_handlers_in_place{pid=\"%P\"} %d\n", ngx_pid,
        lucet_signals_check() == LUCET_OK);
}

ngx_int_t status_handler(ngx_http_request_t *r) {
  struct main_conf *main = ngx_http_get_module_main_conf(r, ngx_http_lucet_module);
  struct loc_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
  ngx_flag_t as_json = conf->status_format == STATUS_JSON;
  struct page page = {.pool = r->pool};
  if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) return NGX_HTTP_NOT_ALLOWED;
  ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc != NGX_OK) return rc;
  status_publish(main);
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
