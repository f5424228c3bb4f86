/* host.h: the functions that guests import: lucet_http_v0, the demo module of examples, and WASI (wasi.h). */
#ifndef SERVER_HOST_H
#define SERVER_HOST_H

#include <lucet.h>
#include <stdbool.h>

struct exchange;

/* Defines everything in the linker. */
lucet_status host_define(lucet_linker *linker);
/* The log of the region: the library's own lines. */
void host_region_log(void *data, int level, const char *text, size_t length);

/* What the guest interfaces have in common. */
bool host_write_body(struct exchange *exchange, const char *bytes,
                     size_t length); /* false: beyond the limit */
bool host_log(struct exchange *exchange, const char *level, const char *text,
              size_t length); /* false: too much */
void host_random(char *out, size_t length);

#endif
