/* ngx_http_bare_module.c: `bare;` answers as the guest `plain` does, in C: what all others are compared with.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

static ngx_int_t handler(ngx_http_request_t *r) {
  static u_char text[] = "hello, world\n";
  ngx_int_t rc = ngx_http_discard_request_body(r);
  ngx_buf_t *b = ngx_calloc_buf(r->pool);
  if (rc != NGX_OK || !b) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_length_n = sizeof text - 1;
  ngx_str_set(&r->headers_out.content_type, "text/plain");
  r->headers_out.content_type_len = r->headers_out.content_type.len;
  rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
  b->pos = text;
  b->last = text + sizeof text - 1;
  b->memory = b->last_buf = b->last_in_chain = 1;
  return ngx_http_output_filter(r, &(ngx_chain_t){b, NULL});
}

static char *set(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  (void)command, (void)conf;
  core->handler = handler;
  return NGX_CONF_OK;
}

static ngx_command_t commands[] = {{ngx_string("bare"), NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set, 0, 0, NULL},
                                   ngx_null_command};
static ngx_http_module_t context;
ngx_module_t ngx_http_bare_module = {NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE,
                                     NULL,          NULL,     NULL,     NULL,
                                     NULL,          NULL,     NULL,     NGX_MODULE_V1_PADDING};
