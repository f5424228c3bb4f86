/* filter.h: guests that change what others answer: lucet_header_filter and lucet_body_filter. They run to
 * their end, within lucet_filter_cpu, because nginx cannot wait in the middle of its filters. */
#ifndef LUCET_NGINX_FILTER_H
#define LUCET_NGINX_FILTER_H

#include "run.h"

/* The piece that a body filter's guest is called for. */
size_t filter_chunk_length(const struct run *run);
size_t filter_chunk_copy(const struct run *run, size_t offset, u_char *out, size_t length);

#endif
