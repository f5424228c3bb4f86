/* body.h: the request's body, which nginx reads when the guest asks for it. */
#ifndef LUCET_NGINX_BODY_H
#define LUCET_NGINX_BODY_H

#include "run.h"

/* Whether it can be looked at: it has arrived, or there is none. */
ngx_flag_t body_is_there(const struct run *run);
/* Begins to read it. NGX_OK: it is there; NGX_AGAIN: the run is woken when it is; else the status to end the
 * request with. */
ngx_int_t body_begin(struct run *run);
off_t body_length(const struct run *run);
/* Copies from an offset on; answers how many bytes. NGX_ERROR: its file cannot be read. */
ssize_t body_copy(const struct run *run, uint64_t offset, u_char *out, size_t length);

#endif
