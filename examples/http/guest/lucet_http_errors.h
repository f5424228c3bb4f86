/* lucet_http_errors.h: the numbers of lucet_http_v0 that guests and hosts share. Fixed for ever. */
#ifndef LUCET_HTTP_ERRORS_H
#define LUCET_HTTP_ERRORS_H

enum lucet_http_error {
  LUCET_HTTP_NOT_FOUND = -1,  /* no such header or variable */
  LUCET_HTTP_INVALID = -2,    /* a value that is not allowed: a status of 99, a line break in a header */
  LUCET_HTTP_FORBIDDEN = -3,  /* the host's own header, or something that this guest may not have */
  LUCET_HTTP_TOO_LARGE = -4,  /* beyond a limit that the host has set */
  LUCET_HTTP_TOO_LATE = -5,   /* status and headers cannot change after the first resp_write */
  LUCET_HTTP_CANNOT_WAIT = -6 /* the guest cannot be suspended here: in a callback, or in a filter */
};

enum lucet_http_level { LUCET_HTTP_LOG_ERROR = 0, LUCET_HTTP_LOG_WARNING = 1, LUCET_HTTP_LOG_INFO = 2 };

#endif
