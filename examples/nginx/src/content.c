/* content.c: see content.h. While its guest waits, a request has one more reference, which content_settle
 * gives back. */
#include "content.h"

#include "fetch.h"
#include "response.h"
#include "wait.h"

ngx_int_t content_fail(struct run *run, ngx_int_t status) {
  ngx_http_request_t *r = run->r;
  if (run->header_sent) return NGX_ERROR; /* the client has a part: it must see that the rest is missing */
  if (status == NGX_ERROR) return NGX_ERROR;
  output_drop(&run->output);
  ngx_http_clean_header(r);
  if (run->partial) return status; /* see body.c */
  if ((run->ending == END_TRAP || run->ending == END_RETURNED) && run->conf->trap_location.len)
    return ngx_http_named_location(r, &run->conf->trap_location);
  return status;
}

static ngx_int_t finish(struct run *run) {
  ngx_int_t rc = run_verdict(run);
  if (rc == NGX_OK && run->result != 0) {
    ngx_log_error(run->conf->trap_log, run->r->connection->log, 0, "lucet: guest \"%V\" returned %D",
                  &run->use->name, run->result);
    rc = (ngx_int_t)run->conf->trap_status;
  }
  if (rc != NGX_OK) return content_fail(run, rc);
  /* What the guest did not read must not be taken for the next request. */
  if (!run->r->request_body && !run->r->discard_body) {
    rc = ngx_http_discard_request_body(run->r);
    if (rc != NGX_OK) {
      run->r->error_page = 1; /* a part of it is gone */
      return content_fail(run, rc);
    }
  }
  return response_end(run);
}

void content_on_write(ngx_http_request_t *r) {
  struct run *run = run_of_request(r);
  if (run && response_is_too_slow(run)) {
    ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
    return;
  }
  if (run) fetch_wake(run);
  if (run && run->state == RUN_WAITING && wait_is_over(run) && run_go(run) != NGX_AGAIN) content_settle(run);
}

ngx_int_t content_handler(ngx_http_request_t *r) {
  struct loc_conf *conf = ngx_http_get_module_loc_conf(r, ngx_http_lucet_module);
  if (!conf->content.guest) return NGX_DECLINED;
  struct run *run = run_make(r, &conf->content, RUN_CONTENT);
  if (!run) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  ngx_http_set_ctx(r, run, ngx_http_lucet_module);
  if (run_start(run) != NGX_AGAIN) return finish(run);
  r->main->count++;
  return NGX_DONE;
}

void content_settle(struct run *run) { ngx_http_finalize_request(run->r, finish(run)); }
