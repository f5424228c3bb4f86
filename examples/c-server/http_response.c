/* http_response.c: writes responses. Every response has a Content-Length, so a connection can always go on.
 */
#include "http.h"

#include <stdio.h>
#include <time.h>

const char *http_reason(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 204:
    return "No Content";
  case 301:
    return "Moved Permanently";
  case 302:
    return "Found";
  case 303:
    return "See Other";
  case 304:
    return "Not Modified";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 417:
    return "Expectation Failed";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 503:
    return "Service Unavailable";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return "Status";
  }
}

bool http_has_body(int status) { return status >= 200 && status != 204 && status != 304; }

bool http_respond(struct buffer *out, int status, bool keep_alive, struct text headers, struct text body,
                  bool head_only) {
  char date[64] = "", length[48] = "";
  time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc)) strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
  if (http_has_body(status)) snprintf(length, sizeof length, "Content-Length: %zu\r\n", body.length);
  size_t before = out->length;
  if (buffer_print(out, "HTTP/1.1 %d %s\r\n%s%sConnection: %s\r\n", status, http_reason(status), date, length,
                   keep_alive ? "keep-alive" : "close") &&
      buffer_append(out, headers.data, headers.length) && buffer_append(out, "\r\n", 2) &&
      (head_only || !http_has_body(status) || buffer_append(out, body.data, body.length)))
    return true;
  out->length = before; /* half a response would be taken for a whole one */
  return false;
}
