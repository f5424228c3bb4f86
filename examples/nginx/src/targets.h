/* targets.h: whether the locations exist that a location's guests lead to: the @LOCATION of lucet_on_trap,
 * and what is below the prefix of lucet_fetch. Without this check a mistake shows when a guest first traps or
 * fetches. */
#ifndef LUCET_NGINX_TARGETS_H
#define LUCET_NGINX_TARGETS_H

#include "config.h"

/* For a location whose guests are known, when all of its server has been read. NGX_ERROR: has been logged. */
ngx_int_t targets_check(ngx_conf_t *cf, const struct loc_conf *conf);

#endif
