/* serve.c: finds the route and has its guest run. Every request gets an instance made from the module, whose
 * memory, globals and tables no other request has seen, and which is released afterwards, whatever happened
 * in it. */
#include "serve.h"

#include "worker.h"

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

/* Why a run was ended that did not return; the status for the client. */
static int why_ended(struct exchange *exchange) {
  struct run *run = &exchange->run;
  lucet_outcome outcome;
  bool known = lucet_instance_outcome(run->instance, &outcome) == LUCET_OK;
  if (known && outcome.kind == LUCET_TERMINATED &&
      outcome.detail == LUCET_STOP_HOST) { /* of a WASI program */
    if (outcome.token == 0) return 200;
    snprintf(exchange->why, sizeof exchange->why, "exit status %llu", (unsigned long long)outcome.token);
    return 500;
  }
  lucet_instance_describe(run->instance, exchange->why, sizeof exchange->why);
  return run->kind == LUCET_TERMINATED ? 504 : 500;
}

/* What a run leaves in the exchange is the response. */
static void judge(struct exchange *exchange) {
  struct run *run = &exchange->run;
  struct guest *guest = run->guest;
  int status = 500;
  if (run->kind == LUCET_RETURNED) {
    atomic_fetch_add(&guest->returned, 1);
    if (run->result == 0) return;
    snprintf(exchange->why, sizeof exchange->why, "the guest returned %d", run->result);
  } else if (run->kind == LUCET_TERMINATED || run->kind == LUCET_TRAPPED) {
    atomic_fetch_add(run->kind == LUCET_TRAPPED ? &guest->trapped : &guest->terminated, 1);
    status = why_ended(exchange);
    if (status == 200) return;
  } else { /* LUCET_NOT_RUN */
    atomic_fetch_add(&guest->refused, 1);
    snprintf(exchange->why, sizeof exchange->why, "not run: %s", lucet_last_error());
  }
  serve_error(exchange, status);
}

void serve_end(struct exchange *exchange) {
  if (exchange->run.state != RUN_ENDED) return;
  judge(exchange);
  run_end(&exchange->run);
}

static bool serve_guest(struct worker *worker, struct guest *guest, struct exchange *exchange) {
  struct run *run = &exchange->run;
  run->code = guest_acquire(guest);
  exchange->guest = guest->route->path;
  exchange->response_limit = guest->route->response;
  exchange->status = 200;
  snprintf(exchange->build_id, sizeof exchange->build_id, "%s", lucet_module_build_id(run->code->module));
  if (!run->code->handle)
    buffer_print(&exchange->headers, "Content-Type: text/plain\r\n"); /* a WASI program's */
  lucet_status status = run_start(run, exchange, worker, guest);
  if (status == LUCET_OK) return run->state == RUN_ENDED;
  atomic_fetch_add(&guest->refused, 1);
  snprintf(exchange->why, sizeof exchange->why, "no instance: %s", lucet_last_error());
  run_end(run);
  serve_error(exchange, status == LUCET_REGION_FULL ? 503 : 500);
  return true;
}

bool serve(struct worker *worker, struct exchange *exchange) {
  struct server *server = worker->server;
  const struct http_request *request = exchange->request;
  if (is_stats(request->path)) {
    bool reads =
        request->is_head || (request->method.length == 3 && memcmp(request->method.data, "GET", 3) == 0);
    if (reads)
      serve_stats(server, exchange);
    else
      serve_error(exchange, 405);
    return true;
  }
  int route = config_route(&server->config, request->path);
  if (route >= 0) return serve_guest(worker, &server->guests.all[route], exchange);
  serve_error(exchange, 404);
  return true;
}
