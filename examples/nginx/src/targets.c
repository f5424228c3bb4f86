/* targets.c: see targets.h. Reads what nginx has collected for the server: a queue of locations in each
 * level, which is whole while locations are merged and is taken apart afterwards. */
#include "targets.h"

static ngx_queue_t *locations_of(const ngx_http_core_loc_conf_t *level) { return level->locations; }

/* The locations of the server whose part is being merged; NULL: it has none. */
static ngx_queue_t *locations_of_server(ngx_conf_t *cf) {
  ngx_http_core_srv_conf_t *server = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);
  return locations_of(server->ctx->loc_conf[ngx_http_core_module.ctx_index]);
}

static const ngx_http_core_loc_conf_t *location_at(ngx_queue_t *at) {
  const ngx_http_location_queue_t *entry = (const ngx_http_location_queue_t *)at;
  return entry->exact ? entry->exact : entry->inclusive;
}

#define EACH_LOCATION(queue, at)                                                                             \
  for (ngx_queue_t *at = (queue) ? ngx_queue_head(queue) : NULL; at && at != ngx_queue_sentinel(queue);      \
       at = ngx_queue_next(at))

static ngx_flag_t begins_with(const ngx_str_t *text, const ngx_str_t *start) {
  return text->len >= start->len && ngx_memcmp(text->data, start->data, start->len) == 0;
}

static ngx_flag_t is_named(ngx_queue_t *queue, const ngx_str_t *name) {
  EACH_LOCATION(queue, at) {
    const ngx_http_core_loc_conf_t *location = location_at(at);
    if (location->named && location->name.len == name->len && begins_with(&location->name, name)) return 1;
  }
  return 0;
}

/* Whether a fetch whose path begins with `path` can end up here. A location that is not internal and does not
 * name the path, as `location /`, is for clients. What a regular expression takes is not known before there
 * is all of a path, so one that is internal is enough. */
static ngx_flag_t takes(const ngx_http_core_loc_conf_t *location, ngx_str_t *path) {
  if (location->named || location->noname) return 0;
#if (NGX_PCRE)
  if (location->regex)
    return location->internal == 1 || ngx_regex_exec(location->regex->regex, path, NULL, 0) >= 0;
#endif
  if (begins_with(&location->name, path)) return 1;
  if (location->exact_match) return 0;
  return begins_with(path, &location->name) &&
         (location->internal == 1 || location->name.len == path->len - 1);
}

static ngx_flag_t is_taken(ngx_queue_t *queue, ngx_str_t *path) {
  EACH_LOCATION(queue, at) {
    const ngx_http_core_loc_conf_t *location = location_at(at);
    if (takes(location, path) || is_taken(locations_of(location), path)) return 1;
  }
  return 0;
}

static ngx_flag_t fetches(const struct use *use) {
  lucet_extern import;
  if (!use->guest) return 0;
  for (size_t i = 0; lucet_module_import(use->guest->module, i, &import) == LUCET_OK; i++)
    if (import.name_length == 5 && ngx_memcmp(import.name, "fetch", 5) == 0) return 1;
  return 0;
}

ngx_int_t targets_check(ngx_conf_t *cf, const struct loc_conf *conf) {
  ngx_queue_t *locations = locations_of_server(cf);
  const struct fetch_conf *fetch = &conf->fetch;
  if (conf->trap_location.len && (conf->content.guest || conf->access.guest) &&
      !is_named(locations, &conf->trap_location)) {
    complain(cf, conf->trap_place, "lucet_on_trap: there is no location %V in this server",
             &conf->trap_location);
    return NGX_ERROR;
  }
  if (fetch->prefix.len == 0 || !(fetches(&conf->content) || fetches(&conf->access))) return NGX_OK;
  ngx_str_t path = {fetch->prefix.len + 1, ngx_pnalloc(cf->temp_pool, fetch->prefix.len + 1)};
  if (!path.data) return NGX_ERROR;
  *ngx_cpymem(path.data, fetch->prefix.data, fetch->prefix.len) = '/';
  if (is_taken(locations, &path)) return NGX_OK;
  complain(cf, fetch->place, "lucet_fetch: there is no internal location for %V in this server", &path);
  return NGX_ERROR;
}
