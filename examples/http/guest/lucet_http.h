/* lucet_http.h: what a guest in C includes to answer HTTP requests. The interface is called lucet_http_v0.
 *
 * A guest is a WebAssembly module that exports its memory as "memory" and what it does: lucet_http_handle
 * answers requests, lucet_http_access decides whether they may go on, and so on (the end of this file). The
 * host makes a fresh instance for every request and throws it away afterwards: no state outlives a request.
 * The host may be examples/c-server, examples/nginx or any other server; the guest cannot tell and need not
 * be rebuilt.
 *
 * Rules that hold for every function:
 *  - Memory stays the guest's. The host reads or writes the given range before the function returns, and
 * keeps no pointer.
 *  - A (pointer, length) range must lie inside the guest's memory as a whole, also the part of a buffer that
 * would not be filled. If it does not, the guest is stopped with a trap (host argument), and the client gets
 * a 500. So it is with a number of a fetch that is none.
 *  - A function that fills a buffer copies at most `capacity` bytes and answers the full length, like
 * snprintf, so that the guest can come back with a larger buffer. Nothing is NUL-terminated.
 *  - A negative result is an error, one of lucet_http_error. Nothing has happened then.
 *  - "Waits" means that the host suspends the guest and serves others meanwhile. For the guest it is an
 * ordinary call that takes its time. Where the host cannot do that the answer is LUCET_HTTP_CANNOT_WAIT.
 *
 * docs/guest-abi.md is the reference. This file contains declarations only; it needs no library. */
#ifndef LUCET_HTTP_H
#define LUCET_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "lucet_http_errors.h" /* enum lucet_http_error, enum lucet_http_level */

#define LUCET_HTTP_MODULE "lucet_http_v0"
#define LUCET_HTTP_IMPORT(name) __attribute__((import_module(LUCET_HTTP_MODULE), import_name(name)))
#define LUCET_HTTP_EXPORT(name) __attribute__((export_name(name), visibility("default")))

/* ---- the request ---- */

/* The method as sent, for example "GET". Answers its length. */
LUCET_HTTP_IMPORT("req_method") int32_t lucet_http_req_method(char *buffer, size_t capacity);

/* The request target as sent: path and query, not decoded. Answers its length. */
LUCET_HTTP_IMPORT("req_uri") int32_t lucet_http_req_uri(char *buffer, size_t capacity);

/* The value of the first header of this name, upper and lower case being the same. Answers its length, or
 * LUCET_HTTP_NOT_FOUND. */
LUCET_HTTP_IMPORT("req_header")
int32_t lucet_http_req_header(const char *name, size_t name_length, char *buffer, size_t capacity);

/* Header number `index` from 0, in the order in which they came. Answers name length << 32 | value length, or
 * LUCET_HTTP_NOT_FOUND after the last one. */
LUCET_HTTP_IMPORT("req_header_at")
int64_t lucet_http_req_header_at(uint32_t index, char *name, size_t name_capacity, char *value,
                                 size_t value_capacity);

/* The length of the body. Waits until it has arrived. */
LUCET_HTTP_IMPORT("req_body_len") int64_t lucet_http_req_body_len(void);

/* Copies body bytes from `offset` on. Answers how many were copied: fewer than `capacity` at the end, 0
 * beyond it. Waits until the body has arrived. */
LUCET_HTTP_IMPORT("req_body_read")
int32_t lucet_http_req_body_read(uint64_t offset, void *buffer, size_t capacity);

/* ---- the response ---- */

/* Sets the status, 200 to 599; 200 if never called. Answers 0, LUCET_HTTP_INVALID or LUCET_HTTP_TOO_LATE. */
LUCET_HTTP_IMPORT("resp_status") int32_t lucet_http_resp_status(int32_t status);

/* Adds a header. Answers 0, LUCET_HTTP_INVALID, LUCET_HTTP_FORBIDDEN, LUCET_HTTP_TOO_LARGE or
 * LUCET_HTTP_TOO_LATE. */
LUCET_HTTP_IMPORT("resp_header")
int32_t lucet_http_resp_header(const char *name, size_t name_length, const char *value, size_t value_length);

/* The same, in place of those of this name that the response has. */
LUCET_HTTP_IMPORT("resp_header_set")
int32_t lucet_http_resp_header_set(const char *name, size_t name_length, const char *value,
                                   size_t value_length);

/* Removes all headers of this name. Answers how many there were, LUCET_HTTP_FORBIDDEN or LUCET_HTTP_TOO_LATE.
 */
LUCET_HTTP_IMPORT("resp_header_remove")
int32_t lucet_http_resp_header_remove(const char *name, size_t name_length);

/* What the response has now: in a filter, what others have set. */
LUCET_HTTP_IMPORT("resp_get_status") int32_t lucet_http_resp_get_status(void);
LUCET_HTTP_IMPORT("resp_get_header")
int32_t lucet_http_resp_get_header(const char *name, size_t name_length, char *buffer, size_t capacity);

/* Appends to the body. The first call, even of length 0, fixes status and headers. Answers 0 or
 * LUCET_HTTP_TOO_LARGE: then none of these bytes were taken. Waits while the client does not take what was
 * written. */
LUCET_HTTP_IMPORT("resp_write") int32_t lucet_http_resp_write(const void *bytes, size_t length);

/* Sends what was written, if the host does not collect responses. Answers 0. Waits like resp_write. */
LUCET_HTTP_IMPORT("resp_flush") int32_t lucet_http_resp_flush(void);

/* ---- waiting, and other servers ---- */

/* Waits for so long; with 0, lets others run. Answers 0, or LUCET_HTTP_TOO_LARGE beyond an hour. */
LUCET_HTTP_IMPORT("sleep") int32_t lucet_http_sleep(uint32_t milliseconds);

/* Begins to get something from where the host lets this guest get things, by a path with or without a query.
 * Several can be on their way at the same time. Answers the number of the fetch, LUCET_HTTP_INVALID,
 * LUCET_HTTP_FORBIDDEN: this guest may not fetch, or LUCET_HTTP_TOO_LARGE: too many. Does not wait. */
LUCET_HTTP_IMPORT("fetch") int32_t lucet_http_fetch(const char *target, size_t length);

/* The status of what came: 502 if nothing did, 504 if it took too long. LUCET_HTTP_TOO_LARGE: more than the
 * host keeps. This and the functions below wait until the whole response is there. */
LUCET_HTTP_IMPORT("fetch_status") int32_t lucet_http_fetch_status(int32_t fetch);

/* Its header of this name, as with req_header. */
LUCET_HTTP_IMPORT("fetch_header")
int32_t lucet_http_fetch_header(int32_t fetch, const char *name, size_t name_length, char *buffer,
                                size_t capacity);

/* The length of its body, and pieces of it, as with req_body_len and req_body_read. */
LUCET_HTTP_IMPORT("fetch_body_len") int64_t lucet_http_fetch_body_len(int32_t fetch);
LUCET_HTTP_IMPORT("fetch_body_read")
int32_t lucet_http_fetch_body_read(int32_t fetch, uint64_t offset, void *buffer, size_t capacity);

/* Gives a fetch up, so that its number and memory are free for another. Answers 0. */
LUCET_HTTP_IMPORT("fetch_close") int32_t lucet_http_fetch_close(int32_t fetch);

/* ---- everything else ---- */

/* The text that the server's configuration has for this guest. Answers its length. */
LUCET_HTTP_IMPORT("config") int32_t lucet_http_config(char *buffer, size_t capacity);

/* What the server knows about the request by this name, such as "remote_addr". Answers the length of the
 * value, LUCET_HTTP_NOT_FOUND, or LUCET_HTTP_FORBIDDEN: not for this guest. */
LUCET_HTTP_IMPORT("variable")
int32_t lucet_http_variable_get(const char *name, size_t name_length, char *buffer, size_t capacity);

/* Writes a line to the host's log, escaped. Answers 0, LUCET_HTTP_INVALID for an unknown level, or
 * LUCET_HTTP_TOO_LARGE for a line that is too long or one too many for this request. */
LUCET_HTTP_IMPORT("log") int32_t lucet_http_log(int32_t level, const char *text, size_t length);

/* Milliseconds since 1970, as of the start of this request or later. */
LUCET_HTTP_IMPORT("now_ms") int64_t lucet_http_now_ms(void);

/* Fills a buffer with bytes fit for keys. Answers 0, or LUCET_HTTP_TOO_LARGE beyond 64 KiB. */
LUCET_HTTP_IMPORT("random") int32_t lucet_http_random(void *buffer, size_t length);

/* ---- filters only ---- */

/* The piece of the response's body that lucet_http_body_filter is called for. */
#define LUCET_HTTP_FILTER_IMPORT(name)                                                                       \
  __attribute__((import_module("lucet_http_filter_v0"), import_name(name)))
LUCET_HTTP_FILTER_IMPORT("chunk_len") int32_t lucet_http_chunk_len(void);
LUCET_HTTP_FILTER_IMPORT("chunk_read")
int32_t lucet_http_chunk_read(uint32_t offset, void *buffer, size_t capacity);
/* 1 for the last piece, which may be empty; else 0. */
LUCET_HTTP_FILTER_IMPORT("chunk_is_last") int32_t lucet_http_chunk_is_last(void);

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
