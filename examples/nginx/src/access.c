/* access.c: see access.h. nginx calls the handler again when something happens to the request, so it looks
 * where its run is. */
#include "access.h"

#include "content.h"
#include "fetch.h"
#include "response.h"
#include "wait.h"

enum { GOES_ON = 0, NO_OPINION = 1, FIRST_STATUS = 300, LAST_STATUS = 599 };

/* The guest's own page for a request that ends here. */
static ngx_int_t answer(struct run *run) {
  ngx_http_request_t *r = run->r;
  run->status = run->result;
  ngx_int_t rc = ngx_http_discard_request_body(r);
  if (rc == NGX_OK) rc = response_end(run);
  ngx_http_finalize_request(r, rc);
  return NGX_DONE;
}

/* With `satisfy any` a denial is a vote: others may still let the request in, and then nothing of the guest's
 * answer may be in theirs. So it is put aside until all have been asked. */
static ngx_int_t vote(struct run *run) {
  ngx_http_request_t *r = run->r;
  run->denial = ngx_palloc(r->pool, sizeof *run->denial);
  if (!run->denial) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  *run->denial = r->headers_out;
  ngx_http_clean_header(r);
  if (ngx_list_init(&r->headers_out.headers, r->pool, 4, sizeof(ngx_table_elt_t)) != NGX_OK)
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  return run->result;
}

static ngx_flag_t is_vote(const struct run *run) {
  const ngx_http_core_loc_conf_t *core = ngx_http_get_module_loc_conf(run->r, ngx_http_core_module);
  return core->satisfy == NGX_HTTP_SATISFY_ANY && !run->header_sent &&
         (run->result == NGX_HTTP_FORBIDDEN || run->result == NGX_HTTP_UNAUTHORIZED);
}

static ngx_int_t finish(struct run *run) {
  ngx_int_t rc = run_verdict(run);
  run->access_known = 1;
  if (rc == NGX_OK && run->result == GOES_ON) return NGX_OK;
  if (rc == NGX_OK && run->result == NO_OPINION) return NGX_DECLINED;
  if (rc == NGX_OK && is_vote(run)) return vote(run);
  if (rc == NGX_OK && run->result >= FIRST_STATUS && run->result <= LAST_STATUS)
    return run->output.size > 0 ? answer(run) : run->result;
  if (rc == NGX_OK) {
    ngx_log_error(run->conf->trap_log, run->r->connection->log, 0, "lucet: guest \"%V\" returned %D",
                  &run->use->name, run->result);
    rc = (ngx_int_t)run->conf->trap_status;
  }
  rc = content_fail(run, rc);
  if (rc == NGX_DONE) ngx_http_finalize_request(run->r, NGX_DONE); /* the reference of the named location */
  return rc;
}

static struct run *find(ngx_http_request_t *r) {
  struct run *run = ngx_http_get_module_ctx(r, ngx_http_lucet_module);
  return run && run->kind == RUN_ACCESS ? run : NULL;
}

ngx_int_t access_handler(ngx_http_request_t *r) {
  struct loc_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
  struct run *run = find(r);
  ngx_int_t rc;
  if (!conf->access.guest) return NGX_DECLINED;
  if (run) fetch_wake(run);
  if (run && run->access_known) return run->access_rc;
  if (!run) {
    run = run_make(r, &conf->access, RUN_ACCESS);
    if (!run) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    ngx_http_set_ctx(r, run, ngx_http_lucet_module);
    rc = run_start(run);
  } else if (run->state == RUN_DONE) {
    rc = NGX_OK;
  } else if (response_is_too_slow(run)) {
    return NGX_HTTP_REQUEST_TIME_OUT;
  } else if (run->state == RUN_WAITING && wait_is_over(run)) {
    rc = run_go(run);
  } else {
    rc = NGX_AGAIN;
  }
  if (rc == NGX_AGAIN) return NGX_AGAIN;
  rc = finish(run);
  if (rc != NGX_DONE) run->access_rc = rc; /* else the request may be gone, and the run with it */
  return rc;
}

/* Nobody has let the request in. If nginx is going to say what the guest said, it is said in the guest's
 * words; how to log in may be another's. */
ngx_int_t access_last_handler(ngx_http_request_t *r) {
  struct run *run = find(r);
  ngx_table_elt_t *login = r->headers_out.www_authenticate;
  if (!run || !run->denial || r->access_code != (ngx_uint_t)run->result) return NGX_DECLINED;
  r->headers_out = *run->denial;
  run->denial = NULL;
  if (login && !r->headers_out.www_authenticate && response_add_header(r, login->key, login->value) != NGX_OK)
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  return run->output.size > 0 ? answer(run) : NGX_DECLINED;
}

/* The handler sees that the run is over. */
void access_settle(struct run *run) {
  run->r->write_event_handler = ngx_http_core_run_phases;
  ngx_http_core_run_phases(run->r);
}
