/* content.h: guests that answer requests: lucet_content. */
#ifndef LUCET_NGINX_CONTENT_H
#define LUCET_NGINX_CONTENT_H

#include "run.h"

ngx_int_t content_handler(ngx_http_request_t *r);
/* The request's write_event_handler while its run waits: goes on if it can. */
void content_on_write(ngx_http_request_t *r);
/* A run that had to wait has ended: finishes its request. */
void content_settle(struct run *run);
/* What remains to be done when a guest failed and nothing was sent: what to finalize the request with. */
ngx_int_t content_fail(struct run *run, ngx_int_t status);

#endif
