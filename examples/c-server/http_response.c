/* http_response.c: writes responses. Every response has a Content-Length, so a connection can go on. */
#include "http.h"

#include <stdio.h>
#include <time.h>

static const struct {
  int status;
  const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(int status) {
  for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
    if (reasons[i].status == status) return reasons[i].reason;
  return "Status"; /* clients look at the number */
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
