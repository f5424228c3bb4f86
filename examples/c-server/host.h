/* host.h: the functions that guests import: lucet_http_v0, the demo module of examples, and WASI. */
#ifndef SERVER_HOST_H
#define SERVER_HOST_H

#include <lucet.h>

struct exchange;

/* Defines everything in the linker. */
lucet_status host_define(lucet_linker *linker);
/* The log of the region: the library's own lines go to the error log; what a WASI program printed becomes the body of
 * the exchange that this thread is running. */
void host_region_log(void *data, int level, const char *text, size_t length);
/* Says which exchange that is; NULL: none. */
void host_running(struct exchange *exchange);

#endif
