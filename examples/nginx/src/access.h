/* access.h: guests that decide whether a request may go on: lucet_access. */
#ifndef LUCET_NGINX_ACCESS_H
#define LUCET_NGINX_ACCESS_H

#include "run.h"

ngx_int_t access_handler(ngx_http_request_t *r);
/* Behind all others' handlers of the phase. */
ngx_int_t access_last_handler(ngx_http_request_t *r);
/* A run that had to wait has ended: its request goes on. */
void access_settle(struct run *run);

#endif
