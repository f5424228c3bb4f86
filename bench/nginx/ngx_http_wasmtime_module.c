/* ngx_http_wasmtime_module.c: `wasmtime_content FILE.wasm keep=SIZE;` runs the benchmark's guests on
 * wasmtime's C API, a fresh instance for each request, as fast as that can be used: the pooling allocator,
 * with so many bytes kept resident in a slot; imports resolved once; unchecked calls in both directions;
 * exports by index. Engine and modules are made in the worker: its engines do not survive nginx's fork. It
 * limits neither time nor calls. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <wasm.h>
#include <wasmtime.h>

enum { SLOTS = 256 };

typedef struct {
  ngx_str_t file;
  size_t keep;
  wasm_engine_t *engine;
  wasmtime_linker_t *linker;
  wasmtime_module_t *module;
  wasmtime_instance_pre_t *pre;
  size_t memory, handle; /* indices of exports */
} location;

/* What a request's host functions see. */
typedef struct {
  ngx_http_request_t *r;
  wasmtime_context_t *context;
  wasmtime_memory_t memory;
  u_char *out;
  size_t length;
} exchange;

ngx_module_t ngx_http_wasmtime_module;
static ngx_array_t *locations; /* location *, of this cycle */
static exchange *current;      /* one guest at a time */

static void fail(const char *what, wasmtime_error_t *error, wasm_trap_t *trap) {
  wasm_byte_vec_t message = {0, NULL};
  if (error)
    wasmtime_error_message(error, &message);
  else if (trap)
    wasm_trap_message(trap, &message);
  ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0, "wasmtime: %s: %*s", what, message.size, message.data);
}

static u_char *range(uint32_t address, uint32_t length) {
  size_t size = wasmtime_memory_data_size(current->context, &current->memory);
  if (address > size || length > size - address) return NULL;
  return wasmtime_memory_data(current->context, &current->memory) + address;
}

/* ---- the host functions ---- */

static wasm_trap_t *bad_argument(void) { return wasmtime_trap_new("bad argument", 12); }

static wasm_trap_t *req_header(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *v, size_t count) {
  uint32_t name_length = (uint32_t)v[1].i32, capacity = (uint32_t)v[3].i32;
  u_char *name = range((uint32_t)v[0].i32, name_length), *out = range((uint32_t)v[2].i32, capacity);
  (void)data, (void)caller, (void)count;
  if (!name || !out) return bad_argument();
  for (ngx_list_part_t *part = &current->r->headers_in.headers.part; part; part = part->next) {
    ngx_table_elt_t *headers = part->elts;
    for (ngx_uint_t i = 0; i < part->nelts; i++) {
      if (headers[i].key.len != name_length || ngx_strncasecmp(headers[i].key.data, name, name_length) != 0)
        continue;
      ngx_memcpy(out, headers[i].value.data, ngx_min(headers[i].value.len, capacity));
      v[0].i32 = (int32_t)headers[i].value.len;
      return NULL;
    }
  }
  v[0].i32 = -1;
  return NULL;
}

static wasm_trap_t *resp_header(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *v, size_t count) {
  u_char *name = range((uint32_t)v[0].i32, (uint32_t)v[1].i32),
         *value = range((uint32_t)v[2].i32, (uint32_t)v[3].i32);
  (void)data, (void)caller, (void)count;
  if (!name || !value) return bad_argument();
  ngx_http_request_t *r = current->r;
  size_t length = (uint32_t)v[3].i32;
  u_char *copy = ngx_pnalloc(r->pool, length);
  if (!copy) return bad_argument();
  ngx_memcpy(copy, value, length);
  r->headers_out.content_type = (ngx_str_t){length, copy}; /* the only one that these guests set */
  r->headers_out.content_type_len = length;
  v[0].i32 = 0;
  return NULL;
}

static wasm_trap_t *resp_write(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *v, size_t count) {
  uint32_t length = (uint32_t)v[1].i32;
  u_char *bytes = range((uint32_t)v[0].i32, length);
  (void)data, (void)caller, (void)count;
  if (!bytes) return bad_argument();
  current->out = ngx_pnalloc(current->r->pool, length); /* they write once */
  if (!current->out) return bad_argument();
  ngx_memcpy(current->out, bytes, length);
  current->length = length;
  v[0].i32 = 0;
  return NULL;
}

static wasm_functype_t *type_of(size_t parameters) {
  wasm_valtype_t *types[8], *result = wasm_valtype_new_i32();
  wasm_valtype_vec_t all, results;
  for (size_t i = 0; i < parameters; i++)
    types[i] = wasm_valtype_new_i32();
  wasm_valtype_vec_new(&all, parameters, types);
  wasm_valtype_vec_new(&results, 1, &result);
  return wasm_functype_new(&all, &results);
}

static ngx_int_t define(location *l, const char *name, size_t parameters,
                        wasmtime_func_unchecked_callback_t function) {
  wasm_functype_t *type = type_of(parameters);
  wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(l->linker, "lucet_http_v0", 13, name,
                                                                  strlen(name), type, function, NULL, NULL);
  wasm_functype_delete(type);
  if (error) fail(name, error, NULL);
  return error ? NGX_ERROR : NGX_OK;
}

/* ---- a request ---- */

static ngx_int_t respond(ngx_http_request_t *r, const exchange *x) {
  ngx_buf_t *b = ngx_calloc_buf(r->pool);
  if (!b) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_length_n = (off_t)x->length;
  ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
  b->pos = x->out;
  b->last = x->out + x->length;
  b->memory = b->last_buf = b->last_in_chain = 1;
  return ngx_http_output_filter(r, &(ngx_chain_t){b, NULL});
}

static ngx_int_t run(location *l, exchange *x, wasmtime_store_t *store) {
  wasmtime_instance_t instance;
  wasmtime_extern_t item;
  wasmtime_val_raw_t value;
  wasm_trap_t *trap = NULL;
  char *name;
  size_t length;
  x->context = wasmtime_store_context(store);
  wasmtime_error_t *error = wasmtime_instance_pre_instantiate(l->pre, x->context, &instance, &trap);
  if (!error && !trap) {
    wasmtime_instance_export_nth(x->context, &instance, l->memory, &name, &length, &item);
    x->memory = item.of.memory;
    wasmtime_instance_export_nth(x->context, &instance, l->handle, &name, &length, &item);
    current = x;
    error = wasmtime_func_call_unchecked(x->context, &item.of.func, &value, 1, &trap);
  }
  if (!error && !trap) return value.i32 == 0 ? NGX_OK : NGX_ERROR;
  fail("run", error, trap);
  if (error) wasmtime_error_delete(error);
  if (trap) wasm_trap_delete(trap);
  return NGX_ERROR;
}

static ngx_int_t handler(ngx_http_request_t *r) {
  location *l = ngx_http_get_module_loc_conf(r, ngx_http_wasmtime_module);
  exchange x = {.r = r};
  if (!l->pre || ngx_http_discard_request_body(r) != NGX_OK) return NGX_HTTP_INTERNAL_SERVER_ERROR;
  wasmtime_store_t *store = wasmtime_store_new(l->engine, NULL, NULL);
  ngx_int_t rc = run(l, &x, store);
  wasmtime_store_delete(store);
  return rc == NGX_OK ? respond(r, &x) : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- configuration, and what the worker makes of it ---- */

static wasm_engine_t *make_engine(size_t keep) {
  wasm_config_t *config = wasm_config_new();
  wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();
  wasmtime_pooling_allocation_config_total_core_instances_set(pool, SLOTS);
  wasmtime_pooling_allocation_config_total_memories_set(pool, SLOTS);
  wasmtime_pooling_allocation_config_total_tables_set(pool, SLOTS);
  wasmtime_pooling_allocation_config_max_unused_warm_slots_set(pool, SLOTS);
  wasmtime_pooling_allocation_config_max_memory_size_set(pool, 16u << 20);
  wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, keep);
  wasmtime_pooling_allocation_config_table_keep_resident_set(pool, keep);
  wasmtime_pooling_allocation_strategy_set(config, pool);
  wasmtime_pooling_allocation_config_delete(pool);
  return wasm_engine_new_with_config(config);
}

static ngx_int_t load(location *l, ngx_cycle_t *cycle) {
  static u_char bytes[1 << 20];
  ngx_fd_t fd = ngx_open_file(l->file.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
  ssize_t length = fd == NGX_INVALID_FILE ? -1 : read(fd, bytes, sizeof bytes);
  if (length < 0) {
    ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno, "wasmtime: %V", &l->file);
    return NGX_ERROR;
  }
  ngx_close_file(fd);
  l->engine = make_engine(l->keep);
  l->linker = wasmtime_linker_new(l->engine);
  if (define(l, "req_header", 4, req_header) != NGX_OK ||
      define(l, "resp_header", 4, resp_header) != NGX_OK || define(l, "resp_write", 2, resp_write) != NGX_OK)
    return NGX_ERROR;
  wasmtime_error_t *error = wasmtime_module_new(l->engine, bytes, (size_t)length, &l->module);
  if (!error) error = wasmtime_linker_instantiate_pre(l->linker, l->module, &l->pre);
  if (error) {
    fail("load", error, NULL);
    return NGX_ERROR;
  }
  wasm_exporttype_vec_t exports;
  wasmtime_module_exports(l->module, &exports);
  for (size_t i = 0; i < exports.size; i++) {
    const wasm_name_t *name = wasm_exporttype_name(exports.data[i]);
    if (name->size == 6 && ngx_memcmp(name->data, "memory", 6) == 0) l->memory = i;
    if (name->size == 17 && ngx_memcmp(name->data, "lucet_http_handle", 17) == 0) l->handle = i;
  }
  wasm_exporttype_vec_delete(&exports);
  return NGX_OK;
}

static ngx_int_t init_process(ngx_cycle_t *cycle) {
  location **all = locations ? locations->elts : NULL;
  for (ngx_uint_t i = 0; locations && i < locations->nelts; i++)
    (void)load(all[i], cycle); /* its requests fail */
  return NGX_OK;
}

static char *set(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
  ngx_str_t *words = cf->args->elts, size = {words[2].len - 5, words[2].data + 5};
  location *l = conf, **slot = ngx_array_push(locations);
  (void)command;
  if (!slot || ngx_strncmp(words[2].data, "keep=", 5) != 0) return "expects a file and keep=";
  l->file = words[1];
  l->keep = (size_t)ngx_parse_size(&size);
  *slot = l;
  core->handler = handler;
  return NGX_CONF_OK;
}

static ngx_int_t preconfiguration(ngx_conf_t *cf) {
  locations = ngx_array_create(cf->pool, 8, sizeof(location *));
  return locations ? NGX_OK : NGX_ERROR;
}

static void *create_location(ngx_conf_t *cf) { return ngx_pcalloc(cf->pool, sizeof(location)); }

static ngx_command_t commands[] = {{ngx_string("wasmtime_content"), NGX_HTTP_LOC_CONF | NGX_CONF_TAKE2, set,
                                    NGX_HTTP_LOC_CONF_OFFSET, 0, NULL},
                                   ngx_null_command};
static ngx_http_module_t context = {.preconfiguration = preconfiguration, .create_loc_conf = create_location};
ngx_module_t ngx_http_wasmtime_module = {NGX_MODULE_V1, &context, commands,     NGX_HTTP_MODULE,
                                         NULL,          NULL,     init_process, NULL,
                                         NULL,          NULL,     NULL,         NGX_MODULE_V1_PADDING};
