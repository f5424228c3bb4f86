/* response.c: see response.h. */
#include "response.h"

/* Headers that nginx itself looks at, and where it wants to find them. */
static const struct {
  ngx_str_t name;
  size_t field;
} known[] = {
#define KNOWN(name, field)                                                                                   \
  { ngx_string(name), offsetof(ngx_http_headers_out_t, field) }
    KNOWN("content-encoding", content_encoding),
    KNOWN("location", location),
    KNOWN("refresh", refresh),
    KNOWN("last-modified", last_modified),
    KNOWN("server", server),
    KNOWN("accept-ranges", accept_ranges),
    KNOWN("www-authenticate", www_authenticate),
    KNOWN("expires", expires),
    KNOWN("etag", etag),
};

static ngx_flag_t same(ngx_str_t a, ngx_str_t b) {
  return a.len == b.len && ngx_strncasecmp(a.data, b.data, a.len) == 0;
}

static ngx_table_elt_t **known_field(ngx_http_request_t *r, ngx_str_t name) {
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    if (same(name, known[i].name)) return (ngx_table_elt_t **)((char *)&r->headers_out + known[i].field);
  return NULL;
}

static const ngx_str_t content_type = ngx_string("content-type");

ngx_int_t response_add_header(ngx_http_request_t *r, ngx_str_t name, ngx_str_t value) {
  u_char *copy = ngx_pnalloc(r->pool, name.len + value.len);
  if (!copy) return NGX_ERROR;
  ngx_memcpy(copy, name.data, name.len);
  ngx_memcpy(copy + name.len, value.data, value.len);
  if (same(name, content_type)) {
    r->headers_out.content_type = (ngx_str_t){value.len, copy + name.len};
    r->headers_out.content_type_len = value.len;
    r->headers_out.content_type_lowcase = NULL;
    return NGX_OK;
  }
  ngx_table_elt_t *header = ngx_list_push(&r->headers_out.headers), **field = known_field(r, name);
  if (!header) return NGX_ERROR;
  ngx_memzero(header, sizeof *header);
  header->hash = 1;
  header->key = (ngx_str_t){name.len, copy};
  header->value = (ngx_str_t){value.len, copy + name.len};
  if (field) *field = header;
  return NGX_OK;
}

/* Calls for each header of a list that is not deleted. */
#define EACH_HEADER(r, header)                                                                               \
  for (ngx_list_part_t *part = &(r)->headers_out.headers.part; part; part = part->next)                      \
    for (ngx_table_elt_t *header = part->elts; header < (ngx_table_elt_t *)part->elts + part->nelts;         \
         header++)                                                                                           \
      if (header->hash != 0)

ngx_uint_t response_remove_header(ngx_http_request_t *r, ngx_str_t name) {
  ngx_table_elt_t **field = known_field(r, name);
  ngx_uint_t removed = 0;
  if (same(name, content_type)) {
    removed = r->headers_out.content_type.len > 0;
    ngx_str_null(&r->headers_out.content_type);
    r->headers_out.content_type_len = 0;
    return removed;
  }
  if (field) *field = NULL;
  EACH_HEADER(r, header) if (same(header->key, name)) {
    header->hash = 0;
    removed++;
  }
  return removed;
}

ngx_str_t response_find_header(ngx_http_request_t *r, ngx_str_t name) {
  ngx_str_t none = ngx_null_string;
  if (same(name, content_type)) return r->headers_out.content_type.len ? r->headers_out.content_type : none;
  EACH_HEADER(r, header) if (same(header->key, name)) return header->value;
  return none;
}

static ngx_int_t send_header(struct run *run, off_t length) {
  ngx_http_request_t *r = run->r;
  r->headers_out.status = (ngx_uint_t)run->status;
  r->headers_out.content_length_n = length;
  run->header_sent = 1;
  return ngx_http_send_header(r);
}

static ngx_int_t pass(struct run *run, unsigned flags) {
  ngx_chain_t *chain;
  if (output_take(run->r->pool, &run->output, flags, &chain) != NGX_OK) return NGX_ERROR;
  ngx_int_t rc = ngx_http_output_filter(run->r, chain);
  output_passed(run->r->pool, &run->output, &chain);
  return rc;
}

ngx_int_t response_push(struct run *run) {
  if (!run->header_sent) {
    ngx_int_t rc = send_header(run, -1);
    if (rc == NGX_ERROR || rc > NGX_OK) return NGX_ERROR;
  }
  if (run->r->header_only) {
    output_drop(&run->output);
    return NGX_OK;
  }
  return pass(run, OUTPUT_FLUSH) == NGX_ERROR ? NGX_ERROR : NGX_OK;
}

static ngx_flag_t is_buffered(const ngx_http_request_t *r) { return r->buffered || r->connection->buffered; }

/* The timer of the connection's write event is a delay of limit_rate, or else send_timeout. */
ngx_flag_t response_is_taken(struct run *run) {
  ngx_http_request_t *r = run->r;
  ngx_connection_t *c = r->connection;
  if (is_buffered(r)) {
    ngx_http_output_filter(r, NULL);
    ngx_chain_t *none = NULL;
    output_passed(r->pool, &run->output, &none);
  }
  if (is_buffered(r) && !c->error) {
    ngx_http_core_loc_conf_t *core = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    if (!c->write->delayed) ngx_add_timer(c->write, core->send_timeout);
    return ngx_handle_write_event(c->write, core->send_lowat) != NGX_OK;
  }
  if (c->write->timer_set && !c->write->delayed) ngx_del_timer(c->write);
  return 1;
}

ngx_flag_t response_is_too_slow(struct run *run) {
  ngx_connection_t *c = run->r->connection;
  if (run->state != RUN_WAITING || run->wait.kind != WAIT_OUTPUT || !c->write->timedout) return 0;
  ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT, "client timed out");
  c->timedout = 1;
  return 1;
}

ngx_int_t response_end(struct run *run) {
  ngx_http_request_t *r = run->r;
  if (!run->header_sent) {
    ngx_int_t rc = send_header(run, (off_t)run->output.size);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
  }
  if (r->header_only) return NGX_OK;
  return pass(run, r == r->main ? OUTPUT_LAST | OUTPUT_LAST_IN_CHAIN : OUTPUT_LAST_IN_CHAIN);
}
