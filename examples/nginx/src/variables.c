/* variables.c: see variables.h. */
#include "variables.h"

#include "run.h"

static const char *word_of_trap(uint32_t trap) { return trap ? lucet_trap_name(trap) : "-"; }

enum { GUEST, RESULT, TRAP, CPU_US, WALL_MS, SUSPENSIONS, SLICES, HOST_CALLS, MEMORY_PEAK };

static ngx_int_t put_text(ngx_http_variable_value_t *v, const char *text, size_t length) {
  v->data = (u_char *)text;
  v->len = (unsigned)length & 0xfffffff;
  v->valid = 1;
  v->no_cacheable = 0;
  v->not_found = 0;
  return NGX_OK;
}

static uint64_t number_of(const struct run *run, uintptr_t which) {
  switch (which) {
  case CPU_US:
    return run->used.cpu_ns / 1000;
  case WALL_MS:
    return ngx_current_msec - run->started;
  case SUSPENSIONS:
    return run->used.suspensions;
  case SLICES:
    return run->used.slices;
  case HOST_CALLS:
    return run->used.host_calls;
  default:
    return run->used.peak_memory_bytes;
  }
}

static ngx_int_t get(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t which) {
  struct run *run = run_of_request(r);
  if (!run) {
    v->not_found = 1;
    return NGX_OK;
  }
  if (which == GUEST) return put_text(v, (const char *)run->use->name.data, run->use->name.len);
  if (which == RESULT || which == TRAP) {
    const char *text = which == RESULT ? ending_name(run->ending) : word_of_trap(run->trap);
    return put_text(v, text, strlen(text));
  }
  u_char *text = ngx_pnalloc(r->pool, NGX_INT64_LEN);
  if (!text) return NGX_ERROR;
  return put_text(v, (const char *)text, (size_t)(ngx_sprintf(text, "%uL", number_of(run, which)) - text));
}

ngx_int_t variables_add(ngx_conf_t *cf) {
  static ngx_str_t names[] = {
      [GUEST] = ngx_string("lucet_guest"),
      [RESULT] = ngx_string("lucet_result"),
      [TRAP] = ngx_string("lucet_trap"),
      [CPU_US] = ngx_string("lucet_cpu_us"),
      [WALL_MS] = ngx_string("lucet_wall_ms"),
      [SUSPENSIONS] = ngx_string("lucet_suspensions"),
      [SLICES] = ngx_string("lucet_slices"),
      [HOST_CALLS] = ngx_string("lucet_host_calls"),
      [MEMORY_PEAK] = ngx_string("lucet_memory_peak"),
  };
  for (uintptr_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    ngx_http_variable_t *variable = ngx_http_add_variable(cf, &names[i], NGX_HTTP_VAR_NOCACHEABLE);
    if (!variable) return NGX_ERROR;
    variable->get_handler = get;
    variable->data = i;
  }
  return NGX_OK;
}

/* ---- lucet_set ---- */

/* Not while a guest is at work that asks for the variable: no guest runs on top of another. */
static ngx_int_t compute(ngx_http_request_t *r, ngx_http_variable_value_t *v, uintptr_t data) {
  const struct set_variable *set = (const struct set_variable *)data;
  struct run *run = NULL;
  v->not_found = 1;
  if (run_is_active()) {
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "lucet: $%V inside of a guest", &set->use.name);
    return NGX_OK;
  }
  run = run_make(r, &set->use, RUN_VARIABLE);
  if (!run) return NGX_ERROR;
  run->conf = set->conf;
  run_start(run);
  if (run_verdict(run) != NGX_OK || run->result != 0) return NGX_OK;
  u_char *text = ngx_pnalloc(r->pool, run->output.size + 1), *end = text;
  if (!text) return NGX_ERROR;
  for (const ngx_chain_t *link = run->output.pending; link; link = link->next)
    end = ngx_cpymem(end, link->buf->pos, (size_t)(link->buf->last - link->buf->pos));
  return put_text(v, (const char *)text, (size_t)(end - text));
}

char *variables_set_directive(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct main_conf *main = conf;
  ngx_str_t *words = cf->args->elts, name = words[1];
  struct set_variable *set = ngx_pcalloc(cf->pool, sizeof *set), **slot = ngx_array_push(&main->variables);
  (void)command;
  if (!set || !slot) return NGX_CONF_ERROR;
  *slot = set;
  if (name.len < 2 || name.data[0] != '$') return "expects a variable, a guest and maybe its entry";
  name.data++;
  name.len--;
  ngx_http_variable_t *variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_CHANGEABLE);
  if (!variable) return NGX_CONF_ERROR;
  variable->get_handler = compute;
  variable->data = (uintptr_t)set;
  set->use = (struct use){.directive = "lucet_set", .default_entry = "lucet_http_variable"};
  set->use.name = words[2];
  if (cf->args->nelts > 3) set->use.entry = words[3];
  set->use.place = place_here(cf);
  return NGX_CONF_OK;
}

ngx_int_t variables_check(ngx_conf_t *cf, struct main_conf *main) {
  struct set_variable **all = main->variables.elts;
  struct loc_conf *conf = config_of_http(cf, main);
  if (!conf) return NGX_ERROR;
  for (ngx_uint_t i = 0; i < main->variables.nelts; i++) {
    all[i]->conf = conf;
    if (use_resolve(cf, main, conf, &all[i]->use) != NGX_OK) return NGX_ERROR;
  }
  return NGX_OK;
}
