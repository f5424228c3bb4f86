/* status.h: lucet_status: what the guests have done and the workers have now, as JSON or for Prometheus. */
#ifndef LUCET_NGINX_STATUS_H
#define LUCET_NGINX_STATUS_H

#include "config.h"

enum { STATUS_NONE, STATUS_JSON, STATUS_PROMETHEUS };

/* Puts this worker's figures where all workers see them. */
void status_publish(struct main_conf *main);
ngx_int_t status_handler(ngx_http_request_t *r);

#endif
