/* nginx.h: nginx's own headers, and lucet.h, as every file here needs them. nginx's come first: they set the
 * feature macros of the system headers. */
#ifndef LUCET_NGINX_H
#define LUCET_NGINX_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <lucet.h>

extern ngx_module_t ngx_http_lucet_module; /* directives, content and access handler, variables, status */
extern ngx_module_t
    ngx_http_lucet_filter_module; /* header and body filter; nothing of its own to configure */

#endif
