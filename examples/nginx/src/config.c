/* config.c: see config.h. Every directive of the module, and how levels inherit. Names of guests are looked
 * up when a location is merged, when all of the file is known, so the order of directives does not matter. */
#include "config.h"

#include "content.h"
#include "counters.h"
#include "lucet_http_host.h"
#include "status.h"
#include "targets.h"
#include "variables.h"
#include "worker.h"

enum { SLICE_MIN_NS = 200000, CPU_MIN_NS = 200000 };
#define UNSET_NS ((uint64_t)-1)

/* ---- values ---- */

/* "500us", "2ms", "1s" or "2m" in nanoseconds; 0 for "off" and for "0"; UNSET_NS: none of these. */
static uint64_t parse_ns(const ngx_str_t *text) {
  static const struct {
    const char *unit;
    uint64_t ns;
  } units[] = {{"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}};
  size_t digits = 0;
  if (text->len == 3 && ngx_strncmp(text->data, "off", 3) == 0) return 0;
  while (digits < text->len && text->data[digits] >= '0' && text->data[digits] <= '9')
    digits++;
  ngx_int_t number = ngx_atoi(text->data, digits);
  if (number < 0 || number > 1000000000) return UNSET_NS;
  if (number == 0 && digits == text->len) return 0;
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
    if (text->len - digits == strlen(units[i].unit) &&
        ngx_strncmp(text->data + digits, units[i].unit, text->len - digits) == 0)
      return (uint64_t)number * units[i].ns;
  return UNSET_NS;
}

static char *set_ns(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  uint64_t *field = (uint64_t *)((char *)conf + command->offset);
  ngx_str_t *words = cf->args->elts;
  if (*field != UNSET_NS) return "is duplicate";
  *field = parse_ns(&words[1]);
  if (*field == UNSET_NS) return "expects a time with one of the units us, ms, s and m, or off";
  return NGX_CONF_OK;
}

/* A directive that names a guest and maybe its entry. */
static char *set_use(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct use *use = (struct use *)((char *)conf + command->offset);
  const struct use *defaults = command->post;
  ngx_str_t *words = cf->args->elts;
  if (use->name.data) return "is duplicate";
  *use = *defaults;
  use->name = words[1];
  use->place = place_here(cf);
  if (cf->args->nelts > 2) use->entry = words[2];
  return NGX_CONF_OK;
}

static char *set_content(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  core->handler = content_handler;
  return set_use(cf, command, conf);
}

static char *set_status(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  struct loc_conf *location = conf;
  ngx_str_t *words = cf->args->elts;
  (void)command;
  core->handler = status_handler;
  location->status_format = STATUS_JSON;
  if (cf->args->nelts == 1 || ngx_strcmp(words[1].data, "json") == 0) return NGX_CONF_OK;
  location->status_format = STATUS_PROMETHEUS;
  return ngx_strcmp(words[1].data, "prometheus") == 0 ? NGX_CONF_OK : "expects json or prometheus";
}

/* lucet_pool 256 [memory=16m] [stack=128k] [keep=1m] */
static char *set_pool(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct main_conf *main = conf;
  ngx_str_t *words = cf->args->elts;
  ngx_int_t instances = ngx_atoi(words[1].data, words[1].len);
  (void)command;
  if (main->pool.struct_size) return "is duplicate";
  main->pool = lucet_region_config_default();
  main->pool_place = place_here(cf);
  if (instances < 1 || instances > 100000) return "expects a number of instances from 1 to 100000";
  main->pool.instances = (uint32_t)instances;
  for (ngx_uint_t i = 2; i < cf->args->nelts; i++) {
    u_char *value = ngx_strlchr(words[i].data, words[i].data + words[i].len, '=');
    ngx_str_t text = words[i];
    if (value) text = (ngx_str_t){(size_t)(words[i].data + words[i].len - value - 1), value + 1};
    ssize_t size = value ? ngx_parse_size(&text) : NGX_ERROR;
    uint64_t *field = ngx_strncmp(words[i].data, "memory=", 7) == 0  ? &main->pool.memory_bytes
                      : ngx_strncmp(words[i].data, "stack=", 6) == 0 ? &main->pool.stack_bytes
                      : ngx_strncmp(words[i].data, "keep=", 5) == 0  ? &main->pool.keep_resident_bytes
                                                                     : NULL;
    if (size == NGX_ERROR || !field) return "expects memory=, stack= or keep= with a size";
    *field = (uint64_t)size;
  }
  return NGX_CONF_OK;
}

/* lucet_fetch /prefix [max=8] [parallel=4] [size=1m], or off */
static char *set_fetch(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct fetch_conf *fetch = &((struct loc_conf *)conf)->fetch;
  ngx_str_t *words = cf->args->elts;
  (void)command;
  if (fetch->prefix.data) return "is duplicate";
  *fetch = (struct fetch_conf){words[1], 8, 4, 1 << 20, place_here(cf)};
  if (ngx_strcmp(words[1].data, "off") == 0) {
    fetch->prefix.len = 0;
    return NGX_CONF_OK;
  }
  if (words[1].data[0] != '/') return "expects the path of internal locations, or off";
  while (fetch->prefix.len > 0 && fetch->prefix.data[fetch->prefix.len - 1] == '/')
    fetch->prefix.len--; /* what is fetched begins with one */
  if (fetch->prefix.len == 0) return "expects a path below /";
  for (ngx_uint_t i = 2; i < cf->args->nelts; i++) {
    ngx_str_t *word = &words[i], text;
    ngx_int_t number = NGX_ERROR;
    if (ngx_strncmp(word->data, "max=", 4) == 0) {
      number = ngx_atoi(word->data + 4, word->len - 4);
      fetch->max = (ngx_uint_t)number;
    } else if (ngx_strncmp(word->data, "parallel=", 9) == 0) {
      number = ngx_atoi(word->data + 9, word->len - 9);
      fetch->parallel = (ngx_uint_t)number;
      if (number > 32) number = NGX_ERROR; /* nginx allows 50 in all */
    } else if (ngx_strncmp(word->data, "size=", 5) == 0) {
      text = (ngx_str_t){word->len - 5, word->data + 5};
      fetch->size = (size_t)(number = ngx_parse_size(&text));
    }
    if (number < 1) return "expects max=, parallel= up to 32 and size=";
  }
  return NGX_CONF_OK;
}

static char *set_on_trap(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct loc_conf *location = conf;
  ngx_str_t *words = cf->args->elts;
  (void)command;
  if (location->trap_status != NGX_CONF_UNSET_UINT) return "is duplicate";
  location->trap_status = NGX_HTTP_INTERNAL_SERVER_ERROR;
  if (words[1].len > 1 && words[1].data[0] == '@') {
    location->trap_location = words[1];
    location->trap_place = place_here(cf);
    return NGX_CONF_OK;
  }
  ngx_int_t status = ngx_atoi(words[1].data, words[1].len);
  if (status < 400 || status > 599) return "expects a status from 400 to 599 or a @location";
  location->trap_status = (ngx_uint_t)status;
  return NGX_CONF_OK;
}

/* lucet_pool_full 503, or wait=100ms */
static char *set_pool_full(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct loc_conf *location = conf;
  ngx_str_t *words = cf->args->elts;
  (void)command;
  if (location->pool_wait != NGX_CONF_UNSET_MSEC) return "is duplicate";
  location->pool_wait = 0;
  if (ngx_strcmp(words[1].data, "503") == 0) return NGX_CONF_OK;
  if (ngx_strncmp(words[1].data, "wait=", 5) != 0) return "expects 503 or wait=";
  ngx_str_t text = {words[1].len - 5, words[1].data + 5};
  ngx_int_t wait = ngx_parse_time(&text, 0);
  if (wait < 1) return "expects a time behind wait=";
  location->pool_wait = (ngx_msec_t)wait;
  return NGX_CONF_OK;
}

static char *set_variables(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct loc_conf *location = conf;
  ngx_str_t *words = cf->args->elts;
  (void)command;
  if (location->variables) return "is duplicate";
  location->variables = ngx_array_create(cf->pool, cf->args->nelts, sizeof(struct shown_variable));
  if (!location->variables) return NGX_CONF_ERROR;
  for (ngx_uint_t i = 1; i < cf->args->nelts; i++) {
    struct shown_variable *shown = ngx_array_push(location->variables);
    if (!shown) return NGX_CONF_ERROR;
    shown->name = words[i];
    if (shown->name.len > 0 && shown->name.data[0] == '$') {
      shown->name.data++;
      shown->name.len--;
    }
    shown->index = ngx_http_get_variable_index(cf, &shown->name);
    if (shown->index == NGX_ERROR) return NGX_CONF_ERROR;
  }
  return NGX_CONF_OK;
}

static char *set_stop_signal(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct main_conf *main = conf;
  ngx_str_t *words = cf->args->elts;
  ngx_int_t number = ngx_atoi(words[1].data, words[1].len);
  (void)command;
  if (number < SIGRTMIN || number > SIGRTMAX) return "expects the number of a real-time signal";
  main->stop_signal = (ngx_uint_t)number;
  return NGX_CONF_OK;
}

static ngx_conf_bitmask_t allow_words[] = {
    {ngx_string("none"), 1 << 31},        {ngx_string("log"), ALLOW_LOG},
    {ngx_string("random"), ALLOW_RANDOM}, {ngx_string("sleep"), ALLOW_SLEEP},
    {ngx_string("fetch"), ALLOW_FETCH},   {ngx_string("variables"), ALLOW_VARIABLES},
    {ngx_string("demo"), ALLOW_DEMO},     {ngx_null_string, 0},
};
static ngx_conf_enum_t log_levels[] = {
    {ngx_string("emerg"), NGX_LOG_EMERG},
    {ngx_string("alert"), NGX_LOG_ALERT},
    {ngx_string("crit"), NGX_LOG_CRIT},
    {ngx_string("error"), NGX_LOG_ERR},
    {ngx_string("warn"), NGX_LOG_WARN},
    {ngx_string("notice"), NGX_LOG_NOTICE},
    {ngx_string("info"), NGX_LOG_INFO},
    {ngx_string("debug"), NGX_LOG_DEBUG},
    {ngx_null_string, 0},
};

/* ---- the directives ---- */

static struct use content_use = {.directive = "lucet_content", .default_entry = "lucet_http_handle"};
static struct use access_use = {.directive = "lucet_access", .default_entry = "lucet_http_access"};
static struct use header_use = {.directive = "lucet_header_filter",
                                .default_entry = "lucet_http_header_filter"};
static struct use body_use = {.directive = "lucet_body_filter", .default_entry = "lucet_http_body_filter"};

#define ANYWHERE (NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_HTTP_LIF_CONF)
#define LOCATION (NGX_HTTP_LOC_CONF | NGX_HTTP_LIF_CONF)
/* Of the http block alone; and of any level, with the field that the function sets. */
#define MAIN(name, words, function)                                                                          \
  { ngx_string(name), NGX_HTTP_MAIN_CONF | (words), function, NGX_HTTP_MAIN_CONF_OFFSET, 0, NULL }
#define LEVEL(name, where, function, field, post)                                                            \
  { ngx_string(name), where, function, NGX_HTTP_LOC_CONF_OFFSET, offsetof(struct loc_conf, field), post }

ngx_command_t config_commands[] = {
    MAIN("lucet_module", NGX_CONF_TAKE23 | NGX_CONF_TAKE4, guest_directive),
    MAIN("lucet_pool", NGX_CONF_TAKE1234, set_pool),
    MAIN("lucet_stop_signal", NGX_CONF_TAKE1, set_stop_signal),
    MAIN("lucet_set", NGX_CONF_TAKE23, variables_set_directive),
    LEVEL("lucet_content", LOCATION | NGX_CONF_TAKE12, set_content, content, &content_use),
    LEVEL("lucet_access", ANYWHERE | NGX_CONF_TAKE12, set_use, access, &access_use),
    LEVEL("lucet_header_filter", ANYWHERE | NGX_CONF_TAKE12, set_use, header_filter, &header_use),
    LEVEL("lucet_body_filter", ANYWHERE | NGX_CONF_TAKE12, set_use, body_filter, &body_use),
    LEVEL("lucet_cpu", ANYWHERE | NGX_CONF_TAKE1, set_ns, cpu_ns, NULL),
    LEVEL("lucet_filter_cpu", ANYWHERE | NGX_CONF_TAKE1, set_ns, filter_cpu_ns, NULL),
    LEVEL("lucet_slice", ANYWHERE | NGX_CONF_TAKE1, set_ns, slice_ns, NULL),
    LEVEL("lucet_timeout", ANYWHERE | NGX_CONF_TAKE1, ngx_conf_set_msec_slot, timeout, NULL),
    LEVEL("lucet_memory", ANYWHERE | NGX_CONF_TAKE1, ngx_conf_set_size_slot, memory, NULL),
    LEVEL("lucet_buffer", ANYWHERE | NGX_CONF_TAKE1, ngx_conf_set_size_slot, buffer, NULL),
    LEVEL("lucet_response_max", ANYWHERE | NGX_CONF_TAKE1, ngx_conf_set_size_slot, response_max, NULL),
    LEVEL("lucet_log_limit", ANYWHERE | NGX_CONF_TAKE1, ngx_conf_set_num_slot, log_lines, NULL),
    LEVEL("lucet_allow", ANYWHERE | NGX_CONF_1MORE, ngx_conf_set_bitmask_slot, allow, allow_words),
    LEVEL("lucet_variables", ANYWHERE | NGX_CONF_1MORE, set_variables, variables, NULL),
    LEVEL("lucet_fetch", ANYWHERE | NGX_CONF_TAKE1234, set_fetch, fetch, NULL),
    LEVEL("lucet_on_trap", ANYWHERE | NGX_CONF_TAKE1, set_on_trap, trap_status, NULL),
    LEVEL("lucet_trap_log", ANYWHERE | NGX_CONF_TAKE1, ngx_conf_set_enum_slot, trap_log, log_levels),
    LEVEL("lucet_pool_full", ANYWHERE | NGX_CONF_TAKE1, set_pool_full, pool_wait, NULL),
    LEVEL("lucet_check_client_abort", ANYWHERE | NGX_CONF_FLAG, ngx_conf_set_flag_slot, check_abort, NULL),
    LEVEL("lucet_status", NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1, set_status, status_format,
          NULL),
    ngx_null_command};

/* ---- levels ---- */

static void release(void *data) {
  struct main_conf *main = data;
  struct guest **all = main->guests.elts;
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++)
    lucet_module_release(all[i]->module);
  lucet_region_release(main->region);
  lucet_linker_release(main->linker);
}

void *config_create_main(ngx_conf_t *cf) {
  struct main_conf *main = ngx_pcalloc(cf->pool, sizeof *main);
  ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (!main || !cleanup) return NULL;
  if (ngx_array_init(&main->guests, cf->pool, 4, sizeof(struct guest *)) != NGX_OK) return NULL;
  if (ngx_array_init(&main->variables, cf->pool, 4, sizeof(struct set_variable *)) != NGX_OK) return NULL;
  cleanup->handler = release;
  cleanup->data = main;
  if (lucet_linker_new(&main->linker) == LUCET_OK && http_define(main->linker, NULL) == LUCET_OK) return main;
  ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "lucet: %s", lucet_last_error());
  return NULL;
}

char *config_init_main(ngx_conf_t *cf, void *conf) {
  struct main_conf *main = conf;
  (void)cf;
  if (!main->pool.struct_size) {
    main->pool = lucet_region_config_default();
    main->pool.instances = 256;
  }
  return NGX_CONF_OK;
}

void *config_create_location(ngx_conf_t *cf) {
  struct loc_conf *conf = ngx_pcalloc(cf->pool, sizeof *conf);
  if (!conf) return NULL;
  conf->cpu_ns = conf->slice_ns = conf->filter_cpu_ns = UNSET_NS;
  conf->timeout = conf->pool_wait = NGX_CONF_UNSET_MSEC;
  conf->memory = conf->buffer = conf->response_max = NGX_CONF_UNSET_SIZE;
  conf->log_lines = conf->trap_log = conf->trap_status = NGX_CONF_UNSET_UINT;
  conf->check_abort = NGX_CONF_UNSET;
  return conf;
}

/* A use that is not said here is the outer level's; `off` ends that. */
static ngx_int_t merge_use(ngx_conf_t *cf, struct main_conf *main, const struct loc_conf *conf,
                           struct use *use, const struct use *outer) {
  if (!use->name.data && outer) *use = *outer;
  if (!use->name.data || ngx_strcmp(use->name.data, "off") == 0) {
    use->guest = NULL;
    return NGX_OK;
  }
  return use_resolve(cf, main, conf, use);
}

static void merge_values(const struct main_conf *main, struct loc_conf *conf, const struct loc_conf *outer) {
  if (conf->cpu_ns == UNSET_NS) conf->cpu_ns = outer->cpu_ns == UNSET_NS ? 50000000 : outer->cpu_ns;
  if (conf->slice_ns == UNSET_NS) conf->slice_ns = outer->slice_ns == UNSET_NS ? 2000000 : outer->slice_ns;
  if (conf->filter_cpu_ns == UNSET_NS)
    conf->filter_cpu_ns = outer->filter_cpu_ns == UNSET_NS ? 10000000 : outer->filter_cpu_ns;
  ngx_conf_merge_msec_value(conf->timeout, outer->timeout, 5000);
  ngx_conf_merge_msec_value(conf->pool_wait, outer->pool_wait, 0);
  ngx_conf_merge_size_value(conf->memory, outer->memory, main->pool.memory_bytes);
  ngx_conf_merge_size_value(conf->buffer, outer->buffer, 64 << 10);
  ngx_conf_merge_size_value(conf->response_max, outer->response_max, 8 << 20);
  ngx_conf_merge_uint_value(conf->log_lines, outer->log_lines, 100);
  ngx_conf_merge_bitmask_value(conf->allow, outer->allow, ALLOW_LOG | ALLOW_RANDOM | ALLOW_SLEEP);
  if (conf->trap_status == NGX_CONF_UNSET_UINT) {
    conf->trap_location = outer->trap_location;
    conf->trap_place = outer->trap_place;
  }
  ngx_conf_merge_uint_value(conf->trap_status, outer->trap_status, NGX_HTTP_INTERNAL_SERVER_ERROR);
  ngx_conf_merge_uint_value(conf->trap_log, outer->trap_log, NGX_LOG_ERR);
  ngx_conf_merge_value(conf->check_abort, outer->check_abort, 1);
  if (!conf->variables) conf->variables = outer->variables;
  if (!conf->fetch.prefix.data) conf->fetch = outer->fetch;
}

static void set_limits(struct loc_conf *conf) {
  conf->limits = lucet_limits_default();
  conf->limits.memory_bytes = conf->memory;
  conf->limits.cpu_ns = conf->cpu_ns;
  conf->limits.slice_ns = conf->slice_ns;
}

struct loc_conf *config_of_http(ngx_conf_t *cf, const struct main_conf *main) {
  const struct loc_conf *said = ngx_http_conf_get_module_loc_conf(cf, ngx_http_lucet_module);
  struct loc_conf *nothing = config_create_location(cf), *conf = ngx_palloc(cf->pool, sizeof *conf);
  if (!nothing || !conf) return NULL;
  *conf = *said;
  merge_values(main, conf, nothing);
  set_limits(conf);
  return conf;
}

char *config_merge_location(ngx_conf_t *cf, void *parent, void *child) {
  struct loc_conf *outer = parent, *conf = child;
  struct main_conf *main = ngx_http_conf_get_module_main_conf(cf, ngx_http_lucet_module);
  ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  merge_values(main, conf, outer);
  if (conf->slice_ns && conf->slice_ns < SLICE_MIN_NS) return "lucet_slice must be off or 200us at least";
  if (conf->cpu_ns && conf->cpu_ns < CPU_MIN_NS) return "lucet_cpu must be off or 200us at least";
  if (conf->filter_cpu_ns && conf->filter_cpu_ns < CPU_MIN_NS)
    return "lucet_filter_cpu must be off or 200us at least";
  if (conf->memory > main->pool.memory_bytes)
    return "lucet_memory is more than lucet_pool has for each instance";
  set_limits(conf);
  /* The blocks of `if` and `limit_except` answer requests of the location around them. */
  ngx_flag_t inside = core->noname || core->lmt_excpt;
  if (core->lmt_excpt && !core->handler && outer->content.guest) core->handler = content_handler;
  if (merge_use(cf, main, conf, &conf->content, inside ? &outer->content : NULL) != NGX_OK ||
      merge_use(cf, main, conf, &conf->access, &outer->access) != NGX_OK ||
      merge_use(cf, main, conf, &conf->header_filter, &outer->header_filter) != NGX_OK ||
      merge_use(cf, main, conf, &conf->body_filter, &outer->body_filter) != NGX_OK)
    return NGX_CONF_ERROR;
  return targets_check(cf, conf) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

ngx_int_t config_check(ngx_conf_t *cf) {
  struct main_conf *main = ngx_http_conf_get_module_main_conf(cf, ngx_http_lucet_module);
  struct guest **all = main->guests.elts;
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++)
    if (lucet_region_config_fit(&main->pool, all[i]->module) != LUCET_OK) {
      struct place place = main->pool_place.file ? main->pool_place : all[i]->place;
      complain(cf, place, "lucet_pool for guest \"%V\": %s", &all[i]->name, lucet_last_error());
      return NGX_ERROR;
    }
  if (main->pool_place.file && !worker_has_room(&main->pool)) {
    complain(cf, main->pool_place, "lucet_pool: a process has no address space for %uD instances", main->pool.instances);
    return NGX_ERROR;
  }
  if (main->guests.nelts > COUNTED_GUESTS) {
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "lucet: there are more than %d lucet_module", COUNTED_GUESTS);
    return NGX_ERROR;
  }
  return variables_check(cf, main);
}
