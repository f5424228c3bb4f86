/* lucet_http.h: what a guest in C includes to answer HTTP requests. The interface is called lucet_http_v0.
 *
 * A guest is a WebAssembly module that exports its memory as "memory" and a function lucet_http_handle. The
 * host makes a fresh instance for every request, calls lucet_http_handle once, and throws the instance away:
 * no state outlives a request. The host may be examples/c-server or any other server; the guest cannot tell
 * and need not be rebuilt.
 *
 * Rules that hold for every function:
 *  - Memory stays the guest's. The host reads or writes the given range during the call and keeps no pointer.
 *  - A (pointer, length) range must lie inside the guest's memory as a whole, also the part of a buffer that
 * would not be filled. If it does not, the guest is stopped with a trap (host argument), and the client gets
 * a 500.
 *  - A function that fills a buffer copies at most `capacity` bytes and answers the full length, like
 * snprintf, so that the guest can come back with a larger buffer. Nothing is NUL-terminated.
 *  - A negative result is an error, one of lucet_http_error. Nothing has happened then.
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

/* The length of the body, which is complete when the guest starts. */
LUCET_HTTP_IMPORT("req_body_len") int64_t lucet_http_req_body_len(void);

/* Copies body bytes from `offset` on. Answers how many were copied: fewer than `capacity` at the end, 0
 * beyond it. */
LUCET_HTTP_IMPORT("req_body_read")
int32_t lucet_http_req_body_read(uint64_t offset, void *buffer, size_t capacity);

/* ---- the response ---- */

/* Sets the status, 200 to 599; 200 if never called. Answers 0, LUCET_HTTP_INVALID or LUCET_HTTP_TOO_LATE. */
LUCET_HTTP_IMPORT("resp_status") int32_t lucet_http_resp_status(int32_t status);

/* Adds a header. Answers 0, LUCET_HTTP_INVALID, LUCET_HTTP_FORBIDDEN, LUCET_HTTP_TOO_LARGE or
 * LUCET_HTTP_TOO_LATE. */
LUCET_HTTP_IMPORT("resp_header")
int32_t lucet_http_resp_header(const char *name, size_t name_length, const char *value, size_t value_length);

/* Appends to the body. The first call, even of length 0, fixes status and headers. Answers 0 or
 * LUCET_HTTP_TOO_LARGE: then none of these bytes were taken. */
LUCET_HTTP_IMPORT("resp_write") int32_t lucet_http_resp_write(const void *bytes, size_t length);

/* ---- everything else ---- */

/* Writes a line to the host's log, escaped. Answers 0, LUCET_HTTP_INVALID for an unknown level, or
 * LUCET_HTTP_TOO_LARGE for a line that is too long or one too many for this request. */
LUCET_HTTP_IMPORT("log") int32_t lucet_http_log(int32_t level, const char *text, size_t length);

/* Milliseconds since 1970, as of the start of this request or later. */
LUCET_HTTP_IMPORT("now_ms") int64_t lucet_http_now_ms(void);

/* Fills a buffer with bytes fit for keys. Answers 0, or LUCET_HTTP_TOO_LARGE beyond 64 KiB. */
LUCET_HTTP_IMPORT("random") int32_t lucet_http_random(void *buffer, size_t length);

/* ---- what the guest defines ---- */

/* Answers the request. 0: send the response. Anything else: the host discards the response and answers 500.
 */
LUCET_HTTP_EXPORT("lucet_http_handle") int32_t lucet_http_handle(void);

#endif
