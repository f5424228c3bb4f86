/* module.c: the module as nginx sees it. When what is done:
 *
 *   master, as root   configuration is read: modules of guests are loaded, verified and linked (guest.c),
 * what runs where is checked (config.c) master            nothing more. No thread, no signal handler, no
 * region: all of that would be another process's after fork worker            worker_init: signal handlers,
 * region worker            requests: content.c, access.c, filter.c, all through run.c */
#include "access.h"
#include "config.h"
#include "counters.h"
#include "variables.h"
#include "worker.h"

static ngx_int_t postconfiguration(ngx_conf_t *cf) {
  ngx_http_core_main_conf_t *core = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
  struct main_conf *main = ngx_http_conf_get_module_main_conf(cf, ngx_http_lucet_module);
  if (config_check(cf) != NGX_OK) return NGX_ERROR;
  if (!main->used) return NGX_OK;
  ngx_array_t *handlers = &core->phases[NGX_HTTP_ACCESS_PHASE].handlers; /* nginx begins with the last one */
  ngx_http_handler_pt *added = ngx_array_push_n(handlers, 2), *first = handlers->elts;
  if (!added) return NGX_ERROR;
  ngx_memmove(first + 1, first, (handlers->nelts - 2) * sizeof *first);
  *first = access_last_handler;
  added[1] = access_handler;
  return counters_zone(cf, main);
}

static ngx_http_module_t context = {
    .preconfiguration = variables_add,
    .postconfiguration = postconfiguration,
    .create_main_conf = config_create_main,
    .init_main_conf = config_init_main,
    .create_loc_conf = config_create_location,
    .merge_loc_conf = config_merge_location,
};

ngx_module_t ngx_http_lucet_module = {
    NGX_MODULE_V1, &context, config_commands,      NGX_HTTP_MODULE, NULL, NULL, worker_init, NULL, NULL,
    worker_exit,   NULL,     NGX_MODULE_V1_PADDING};
