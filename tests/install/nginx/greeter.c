/* greeter.c: a module of somebody else's: `greet` answers with the version of Lucet that the worker runs, and
 * a filter marks all responses. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <lucet.h>

static ngx_int_t greet(ngx_http_request_t *r) {
  ngx_buf_t *b = ngx_create_temp_buf(r->pool, 64);
  if (!b || ngx_http_discard_request_body(r) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  b->last = ngx_sprintf(b->pos, "lucet %uD\n", lucet_version());
  b->last_buf = b->last_in_chain = 1;
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_length_n = b->last - b->pos;
  ngx_int_t rc = ngx_http_send_header(r);
  return rc == NGX_OK ? ngx_http_output_filter(r, &(ngx_chain_t){b, NULL}) : rc;
}

static char *set_greet(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  (void)command, (void)conf;
  core->handler = greet;
  return NGX_CONF_OK;
}

static ngx_command_t commands[] = {
    {ngx_string("greet"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_greet, 0, 0, NULL}, ngx_null_command};
static ngx_http_module_t context;
ngx_module_t ngx_http_greeter_module = {NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE,
                                        NULL,          NULL,     NULL,     NULL,
                                        NULL,          NULL,     NULL,     NGX_MODULE_V1_PADDING};

static ngx_http_output_header_filter_pt next;

static ngx_int_t mark(ngx_http_request_t *r) {
  ngx_table_elt_t *header = ngx_list_push(&r->headers_out.headers);
  if (!header) return NGX_ERROR;
  ngx_memzero(header, sizeof *header);
  header->hash = 1;
  ngx_str_set(&header->key, "X-Greeter");
  ngx_str_set(&header->value, "here");
  return next(r);
}

static ngx_int_t install(ngx_conf_t *cf) {
  (void)cf;
  next = ngx_http_top_header_filter;
  ngx_http_top_header_filter = mark;
  return NGX_OK;
}

static ngx_http_module_t filter_context = {.postconfiguration = install};
ngx_module_t ngx_http_greeter_filter_module = {
    NGX_MODULE_V1, &filter_context,      NULL, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL,          NGX_MODULE_V1_PADDING};
