/* guests.c: see guests.h. The linker is used by one thread: the one that starts and reloads. */
#include "guests.h"

#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "log.h"

void code_release(struct code *code) {
  if (!code || atomic_fetch_sub(&code->references, 1) > 1) return;
  lucet_module_release(code->module);
  free(code);
}

struct code *guest_acquire(struct guest *guest) {
  pthread_mutex_lock(&guest->lock);
  struct code *code = guest->code;
  atomic_fetch_add(&code->references, 1);
  pthread_mutex_unlock(&guest->lock);
  return code;
}

/* Finds what to call, and whether the route's limits leave room for the guest. */
static bool examine(const struct route *route, struct code *code) {
  lucet_requirements needs = lucet_requirements_default();
  if (lucet_module_requirements(code->module, &needs) != LUCET_OK) {
    log_error("%s: %s", route->file, lucet_last_error());
    return false;
  }
  if (needs.memory_bytes > route->memory) {
    log_error("%s: starts with %llu bytes of memory, and the route allows %llu", route->file,
              (unsigned long long)needs.memory_bytes, (unsigned long long)route->memory);
    return false;
  }
  if (lucet_module_func(code->module, "lucet_http_handle", &code->start) == LUCET_OK) {
    code->start = NULL;
    if (LUCET_FIND(code->handle, code->module, "lucet_http_handle", int32_t)) return true;
  } else if (lucet_module_func(code->module, "_start", &code->start) == LUCET_OK) {
    return true;
  }
  log_error("%s: no entry: expected lucet_http_handle or _start: %s", route->file, lucet_last_error());
  return false;
}

/* NULL: the reason was logged. */
static struct code *load(const struct guests *guests, const struct route *route) {
  struct code *code = calloc(1, sizeof *code);
  if (!code) return NULL;
  atomic_init(&code->references, 1);
  if (lucet_module_load_file(route->file, guests->linker, NULL, &code->module) != LUCET_OK) {
    log_error("%s: %s", route->file, lucet_last_error());
    free(code);
    return NULL;
  }
  if (examine(route, code)) return code;
  code_release(code);
  return NULL;
}

static bool make_region(struct guests *guests, const struct config *config) {
  lucet_region_config *region = &guests->region_config;
  *region = lucet_region_config_default();
  region->instances = config->instances;
  region->stack_bytes = config->stack;
  region->memory_bytes = 0;
  region->log = host_region_log;
  for (size_t i = 0; i < guests->count; i++) {
    const struct route *route = guests->all[i].route;
    if (route->memory > region->memory_bytes) region->memory_bytes = route->memory;
    if (lucet_region_config_fit(region, guests->all[i].code->module) != LUCET_OK) {
      log_error("%s: %s", route->file, lucet_last_error());
      return false;
    }
  }
  if (lucet_region_new(region, &guests->region) == LUCET_OK) return true;
  log_error("region: %s", lucet_last_error());
  return false;
}

bool guests_open(struct guests *guests, const struct config *config) {
  bool good = true;
  if (lucet_linker_new(&guests->linker) != LUCET_OK || host_define(guests->linker) != LUCET_OK) {
    log_error("linker: %s", lucet_last_error());
    return false;
  }
  for (size_t i = 0; i < config->route_count; i++) {
    struct guest *guest = &guests->all[guests->count++];
    guest->route = &config->routes[i];
    pthread_mutex_init(&guest->lock, NULL);
    guest->code = load(guests, guest->route);
    if (!guest->code) good = false;
  }
  return good && make_region(guests, config);
}

/* Whether the slots, which were made for the old code, have room for the new. */
static bool fits(const struct guests *guests, const struct route *route, const struct code *code) {
  lucet_region_config needed = guests->region_config;
  if (lucet_region_config_fit(&needed, code->module) == LUCET_OK &&
      memcmp(&needed, &guests->region_config, sizeof needed) == 0)
    return true;
  log_error("%s: needs a larger slot than the region has; restart the server for it", route->file);
  return false;
}

/* 1: replaced; 0: unchanged; -1: the old code stays, the reason was logged. */
static int reload(const struct guests *guests, struct guest *guest) {
  struct code *fresh = load(guests, guest->route), *old = guest->code;
  if (!fresh) return -1;
  const char *id = lucet_module_build_id(fresh->module);
  int result = strcmp(id, lucet_module_build_id(old->module)) == 0 ? 0
               : fits(guests, guest->route, fresh)                 ? 1
                                                                   : -1;
  if (result == 1) {
    log_error("%s: now %.16s, was %.16s", guest->route->file, id, lucet_module_build_id(old->module));
    pthread_mutex_lock(&guest->lock);
    guest->code = fresh;
    pthread_mutex_unlock(&guest->lock);
    fresh = old;
  }
  code_release(fresh);
  return result;
}

unsigned guests_reload(struct guests *guests, unsigned *failed) {
  unsigned replaced = 0;
  *failed = 0;
  for (size_t i = 0; i < guests->count; i++) {
    int result = reload(guests, &guests->all[i]);
    if (result > 0) replaced++;
    if (result < 0) ++*failed;
  }
  return replaced;
}

void guests_close(struct guests *guests) {
  for (size_t i = 0; i < guests->count; i++) {
    code_release(guests->all[i].code);
    pthread_mutex_destroy(&guests->all[i].lock);
  }
  lucet_region_release(guests->region);
  lucet_linker_release(guests->linker);
}
