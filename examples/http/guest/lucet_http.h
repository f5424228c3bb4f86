/* lucet_http.h: what a guest in C includes to answer HTTP requests. The interface is called lucet_http_v0.
 *
 * A guest is a WebAssembly module that exports its memory as "memory" and what it does: lucet_http_handle
 * answers requests, lucet_http_access decides whether they may go on, and so on. The host makes a fresh
 * instance for every request and throws it away afterwards: no state outlives a request. The host may be
 * examples/c-server, examples/nginx or any other server; the guest cannot tell and need not be rebuilt.
 *
 * Rules that hold for every function of lucet_http_imports.h:
 *  - Memory stays the guest's. The host reads or writes the given range before the function returns, and
 *    keeps no pointer.
 *  - A (pointer, count) range must lie inside the guest's memory as a whole, also the part of a buffer that
 *    would not be filled, and a buffer must not overlap what else is passed. If it does not, the guest is
 *    stopped with a trap (host argument), and the client gets a 500. So it is with a number that is no fetch.
 *  - A function that fills a buffer copies at most as much as fits and answers the full length, like
 *    snprintf, so that the guest can come back with a larger buffer. Nothing is NUL-terminated.
 *  - A negative result is an error, one of lucet_http_error. Nothing has happened then.
 *  - "Waits" means that the host suspends the guest and serves others meanwhile. For the guest it is an
 *    ordinary call that takes its time. Where the host cannot do that the answer is LUCET_HTTP_CANNOT_WAIT.
 *
 * docs/guest-abi.md is the reference. These files contain declarations only; no library is needed. */
#ifndef LUCET_HTTP_H
#define LUCET_HTTP_H

#include "lucet_http_errors.h"  /* enum lucet_http_error, enum lucet_http_level */
#include "lucet_http_imports.h" /* what the host offers; made from ../lucet_http.wit */

#define LUCET_HTTP_EXPORT(name) __attribute__((export_name(name), visibility("default")))

/* ---- what the guest defines: one or more of these ---- */

/* Answers the request. 0: send the response. Anything else: the host discards the response and answers 500.
 */
LUCET_HTTP_EXPORT("lucet_http_handle") int32_t lucet_http_handle(void);

/* Says whether the request may go on. 0: it may. 1: this guest has no opinion, others decide. 300 to 599: it
 * ends here with this status, and with the headers and the body that were set, if any. */
LUCET_HTTP_EXPORT("lucet_http_access") int32_t lucet_http_access(void);

/* May change status and headers of a response that others have made. 0: go on. Anything else: the client gets
 * a 500. Runs to its end, without waiting. */
LUCET_HTTP_EXPORT("lucet_http_header_filter") int32_t lucet_http_header_filter(void);

/* Called for each piece of a response's body; what it writes with resp_write goes on in its place. One
 * instance for the whole response. 0: go on. Anything else: the connection is cut. Runs to its end, without
 * waiting. */
LUCET_HTTP_EXPORT("lucet_http_body_filter") int32_t lucet_http_body_filter(void);

/* Computes a text, which it writes with resp_write. 0: that is it. Anything else: there is none. Runs to its
 * end, without waiting. */
LUCET_HTTP_EXPORT("lucet_http_variable") int32_t lucet_http_variable(void);

#endif
