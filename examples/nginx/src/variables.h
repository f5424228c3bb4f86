/* variables.h: what a request's guest has used, for the access log; and variables whose value a guest
 * computes: lucet_set. */
#ifndef LUCET_NGINX_VARIABLES_H
#define LUCET_NGINX_VARIABLES_H

#include "config.h"

struct set_variable {
  struct use use;
  struct loc_conf *conf; /* of the http block: its limits hold */
};

ngx_int_t variables_add(ngx_conf_t *cf);
char *variables_set_directive(ngx_conf_t *cf, ngx_command_t *command, void *conf);
/* Resolves the guests of lucet_set. */
ngx_int_t variables_check(ngx_conf_t *cf, struct main_conf *main);

#endif
