/* serve.c: finds the route and runs its guest. Every request gets an instance made from the module, whose
 * memory, globals and tables no other request has seen, and which is released afterwards, whatever happened
 * in it. */
#include "serve.h"

#include <stdio.h>
#include <string.h>

static const char STATS_PATH[] = "/-/stats";

static bool is_stats(struct text path) { return text_is(path, STATS_PATH) || text_is(path, "/-/stats.txt"); }

uint64_t serve_body_limit(const struct server *server, const struct http_request *request) {
  int route = config_route(&server->config, request->path);
  return is_stats(request->path) || route < 0 ? 0 : server->config.routes[route].body;
}

void exchange_free(struct exchange *exchange) {
  buffer_free(&exchange->headers);
  buffer_free(&exchange->out);
}

void serve_error(struct exchange *exchange, int status) {
  exchange_free(exchange);
  exchange->status = status;
  buffer_print(&exchange->headers, "Content-Type: text/plain\r\n%s",
               status == 503 ? "Retry-After: 1\r\n" : "");
  buffer_print(&exchange->out, "%d %s\n", status, http_reason(status));
}

static void serve_stats(struct server *server, struct exchange *exchange) {
  bool json = text_is(exchange->request->path, STATS_PATH);
  buffer_print(&exchange->headers, "Content-Type: %s\r\nCache-Control: no-store\r\n",
               json ? "application/json" : "text/plain");
  exchange->status = 200;
  if (!(json ? stats_json : stats_text)(&server->stats, &server->guests, &exchange->out)) {
    snprintf(exchange->why, sizeof exchange->why, "stats: %s", lucet_last_error());
    serve_error(exchange, 500);
  }
}

/* Judges a run: what it leaves in the exchange is the response. */
static void judge(struct guest *guest, struct exchange *exchange, lucet_instance *instance, uint32_t kind,
                  int32_t result) {
  lucet_outcome outcome;
  if (kind == LUCET_RETURNED) {
    atomic_fetch_add(&guest->returned, 1);
    if (result == 0) return;
    snprintf(exchange->why, sizeof exchange->why, "the guest returned %d", result);
    serve_error(exchange, 500);
  } else if (kind == LUCET_TERMINATED) {
    atomic_fetch_add(&guest->terminated, 1);
    bool exited = lucet_instance_outcome(instance, &outcome) == LUCET_OK && outcome.detail == LUCET_STOP_HOST;
    if (exited && outcome.token == 0) return; /* exit(0) of a WASI program */
    if (exited)
      snprintf(exchange->why, sizeof exchange->why, "exit status %llu", (unsigned long long)outcome.token);
    else
      lucet_instance_describe(instance, exchange->why, sizeof exchange->why);
    serve_error(exchange, 500);
  } else if (kind == LUCET_TRAPPED) {
    atomic_fetch_add(&guest->trapped, 1);
    lucet_instance_describe(instance, exchange->why, sizeof exchange->why);
    serve_error(exchange, 500);
  } else { /* LUCET_NOT_RUN */
    atomic_fetch_add(&guest->refused, 1);
    snprintf(exchange->why, sizeof exchange->why, "not run: %s", lucet_last_error());
    serve_error(exchange, 500);
  }
}

static void run_guest(struct guest *guest, const struct code *code, struct exchange *exchange,
                      lucet_instance *instance) {
  lucet_outcome outcome = {0};
  int32_t result = 0;
  uint32_t kind;
  if (code->handle) {
    kind = code->handle(instance, &result);
  } else {
    (void)lucet_instance_call(instance, code->start, NULL, 0, &outcome); /* the outcome tells all */
    kind = outcome.kind;
    buffer_print(&exchange->headers, "Content-Type: text/plain\r\n");
  }
  judge(guest, exchange, instance, kind, result);
}

static void serve_guest(struct server *server, struct guest *guest, struct exchange *exchange) {
  struct code *code = guest_acquire(guest);
  lucet_limits limits = lucet_limits_default();
  lucet_instance *instance;
  limits.memory_bytes = guest->route->memory;
  exchange->guest = guest->route->path;
  exchange->response_limit = guest->route->response;
  exchange->status = 200;
  snprintf(exchange->build_id, sizeof exchange->build_id, "%s", lucet_module_build_id(code->module));
  lucet_status status = lucet_instance_new(server->guests.region, code->module, exchange, &limits, &instance);
  if (status == LUCET_OK) {
    atomic_fetch_add(&guest->runs, 1);
    run_guest(guest, code, exchange, instance);
    lucet_instance_release(instance);
  } else {
    atomic_fetch_add(&guest->refused, 1);
    snprintf(exchange->why, sizeof exchange->why, "no instance: %s", lucet_last_error());
    serve_error(exchange, status == LUCET_REGION_FULL ? 503 : 500);
  }
  code_release(code);
}

void serve(struct server *server, struct exchange *exchange) {
  const struct http_request *request = exchange->request;
  if (is_stats(request->path)) {
    bool reads =
        request->is_head || (request->method.length == 3 && memcmp(request->method.data, "GET", 3) == 0);
    if (reads)
      serve_stats(server, exchange);
    else
      serve_error(exchange, 405);
    return;
  }
  int route = config_route(&server->config, request->path);
  if (route < 0)
    serve_error(exchange, 404);
  else
    serve_guest(server, &server->guests.all[route], exchange);
}
