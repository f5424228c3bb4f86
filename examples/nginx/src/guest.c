/* guest.c: see guest.h. Runs as root in the master, on the text of the configuration and on module files, so
 * that `nginx -t` and a reload refuse what would not work. No guest code runs, no file is made, no thread
 * started. */
#include "guest.h"

#include "config.h"

struct place place_here(const ngx_conf_t *cf) {
  return (struct place){cf->conf_file->file.name.data, cf->conf_file->line};
}

void complain(ngx_conf_t *cf, struct place place, const char *format, ...) {
  u_char text[NGX_MAX_CONF_ERRSTR];
  va_list arguments;
  va_start(arguments, format);
  u_char *end = ngx_vslprintf(text, text + sizeof text, format, arguments);
  va_end(arguments);
  ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "%*s in %s:%ui", (size_t)(end - text), text, place.file,
                place.line);
}

/* ---- lucet_module ---- */

struct problem {
  ngx_conf_t *cf;
  const struct guest *guest;
};

/* One import that cannot be resolved; the library calls this for each. */
static void report(void *data, const char *text, size_t length) {
  const struct problem *problem = data;
  complain(problem->cf, problem->guest->place, "lucet_module \"%V\": %*s", &problem->guest->name, length,
           text);
}

static ngx_int_t read_whole_file(ngx_conf_t *cf, const struct guest *guest, ngx_str_t *bytes) {
  ngx_file_t file = {.name = guest->path, .log = cf->log};
  ngx_file_info_t info;
  ngx_int_t rc = NGX_ERROR;
  file.fd = ngx_open_file(guest->path.data, NGX_FILE_RDONLY | NGX_FILE_NONBLOCK, NGX_FILE_OPEN, 0);
  if (file.fd == NGX_INVALID_FILE) {
    complain(cf, guest->place, "lucet_module \"%V\": \"%V\" cannot be opened (%s)", &guest->name,
             &guest->path, strerror(ngx_errno));
    return NGX_ERROR;
  }
  if (ngx_fd_info(file.fd, &info) != NGX_FILE_ERROR && ngx_is_file(&info)) {
    bytes->len = (size_t)ngx_file_size(&info);
    bytes->data = ngx_pnalloc(cf->temp_pool, bytes->len + 1);
    if (bytes->data && ngx_read_file(&file, bytes->data, bytes->len, 0) == (ssize_t)bytes->len) rc = NGX_OK;
  }
  ngx_close_file(file.fd);
  if (rc != NGX_OK)
    complain(cf, guest->place, "lucet_module \"%V\": cannot read \"%V\"", &guest->name, &guest->path);
  return rc;
}

/* Compares the file's SHA-256 with the one that was given, and answers the very bytes that it compared. */
static ngx_int_t read_checked(ngx_conf_t *cf, const struct guest *guest, const ngx_str_t *hash,
                              ngx_str_t *bytes) {
#if (NGX_SSL)
  u_char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (read_whole_file(cf, guest, bytes) != NGX_OK) return NGX_ERROR;
  if (EVP_Digest(bytes->data, bytes->len, digest, &length, EVP_sha256(), NULL) != 1) length = 0;
  u_char *end = ngx_hex_dump(text, digest, length);
  if (hash->len == 64 && (size_t)(end - text) == 64 && ngx_strncasecmp(text, hash->data, 64) == 0)
    return NGX_OK;
  complain(cf, guest->place, "lucet_module \"%V\": the SHA-256 of \"%V\" is %*s", &guest->name, &guest->path,
           (size_t)(end - text), text);
#else
  complain(cf, guest->place, "lucet_module \"%V\": sha256= needs an nginx with OpenSSL", &guest->name);
#endif
  return NGX_ERROR;
}

static ngx_int_t load(ngx_conf_t *cf, const struct main_conf *main, struct guest *guest,
                      const ngx_str_t *hash) {
  struct problem problem = {cf, guest};
  lucet_load_options options = lucet_load_options_default();
  lucet_requirements needs = lucet_requirements_default();
  ngx_str_t bytes;
  lucet_status status;
  options.problem = report;
  options.data = &problem;
  if (hash->len) {
    if (read_checked(cf, guest, hash, &bytes) != NGX_OK) return NGX_ERROR;
    status = lucet_module_load_bytes(bytes.data, bytes.len, main->linker, &options, &guest->module);
  } else {
    status = lucet_module_load_file((const char *)guest->path.data, main->linker, &options, &guest->module);
  }
  if (status == LUCET_OK) status = lucet_module_requirements(guest->module, &needs);
  if (status == LUCET_OK) {
    guest->memory_bytes = needs.memory_bytes;
    return NGX_OK;
  }
  complain(cf, guest->place, "lucet_module \"%V\": \"%V\": %s", &guest->name, &guest->path,
           lucet_last_error());
  return NGX_ERROR;
}

char *guest_directive(ngx_conf_t *cf, ngx_command_t *command, void *conf) {
  struct main_conf *main = conf;
  ngx_str_t *words = cf->args->elts, hash = ngx_null_string;
  struct guest *guest = ngx_pcalloc(cf->pool, sizeof *guest), **all = main->guests.elts;
  if (!guest) return NGX_CONF_ERROR;
  guest->place = place_here(cf);
  guest->name = words[1];
  guest->path = words[2];
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++)
    if (all[i]->name.len == guest->name.len &&
        ngx_memcmp(all[i]->name.data, guest->name.data, guest->name.len) == 0) {
      complain(cf, guest->place, "%V \"%V\": there is one of that name in %s:%ui", &command->name,
               &guest->name, all[i]->place.file, all[i]->place.line);
      return NGX_CONF_ERROR;
    }
  for (ngx_uint_t i = 3; i < cf->args->nelts; i++) {
    ngx_str_t *to = ngx_strncmp(words[i].data, "sha256=", 7) == 0   ? &hash
                    : ngx_strncmp(words[i].data, "config=", 7) == 0 ? &guest->config
                                                                    : NULL;
    if (!to) {
      complain(cf, guest->place, "%V: expected sha256= or config=, not \"%V\"", &command->name, &words[i]);
      return NGX_CONF_ERROR;
    }
    *to = (ngx_str_t){words[i].len - 7, words[i].data + 7};
  }
  if (ngx_conf_full_name(cf->cycle, &guest->path, 1) != NGX_OK) return NGX_CONF_ERROR;
  struct guest **slot = ngx_array_push(&main->guests);
  if (!slot) return NGX_CONF_ERROR;
  *slot = guest;
  guest->index = main->guests.nelts - 1;
  ngx_queue_init(&guest->runnable);
  return load(cf, main, guest, &hash) == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}

/* ---- the directives that use guests ---- */

static const struct {
  const char *module, *name; /* NULL: every name */
  ngx_uint_t group;
  const char *word;
} groups[] = {
    {"lucet_http_v0", "log", ALLOW_LOG, "log"},
    {"lucet_http_v0", "random", ALLOW_RANDOM, "random"},
    {"lucet_http_v0", "sleep", ALLOW_SLEEP, "sleep"},
    {"lucet_http_v0", "fetch", ALLOW_FETCH, "fetch"}, /* the others are of no use without it */
    {"lucet_http_v0", "variable", ALLOW_VARIABLES, "variables"},
    {"demo", NULL, ALLOW_DEMO, "demo"},
};

static ngx_flag_t is(const char *text, size_t length, const char *word) {
  return length == strlen(word) && memcmp(text, word, length) == 0;
}

static ngx_int_t check_imports(ngx_conf_t *cf, const struct loc_conf *conf, const struct use *use) {
  lucet_extern import;
  for (size_t i = 0; lucet_module_import(use->guest->module, i, &import) == LUCET_OK; i++)
    for (size_t k = 0; k < sizeof groups / sizeof groups[0]; k++) {
      if (!is(import.module, import.module_length, groups[k].module)) continue;
      if (groups[k].name && !is(import.name, import.name_length, groups[k].name)) continue;
      if (conf->allow & groups[k].group) continue;
      complain(cf, use->place, "%s: guest \"%V\" imports \"%s\" \"%*s\", which needs lucet_allow %s",
               use->directive, &use->name, groups[k].module, import.name_length, import.name, groups[k].word);
      return NGX_ERROR;
    }
  return NGX_OK;
}

ngx_int_t use_resolve(ngx_conf_t *cf, struct main_conf *main, const struct loc_conf *conf, struct use *use) {
  struct guest **all = main->guests.elts;
  use->guest = NULL;
  for (ngx_uint_t i = 0; i < main->guests.nelts; i++)
    if (all[i]->name.len == use->name.len &&
        ngx_memcmp(all[i]->name.data, use->name.data, use->name.len) == 0)
      use->guest = all[i];
  if (!use->guest) {
    complain(cf, use->place, "%s: there is no lucet_module \"%V\"", use->directive, &use->name);
    return NGX_ERROR;
  }
  const char *entry = use->entry.len ? (const char *)use->entry.data : use->default_entry;
  if (!LUCET_FIND(use->enter, use->guest->module, entry, int32_t)) {
    complain(cf, use->place, "%s: guest \"%V\": %s", use->directive, &use->name, lucet_last_error());
    return NGX_ERROR;
  }
  if (use->guest->memory_bytes > conf->memory) {
    complain(cf, use->place, "%s: guest \"%V\" starts with %uL bytes of memory, and lucet_memory allows %uz",
             use->directive, &use->name, use->guest->memory_bytes, conf->memory);
    return NGX_ERROR;
  }
  main->used = 1;
  return check_imports(cf, conf, use);
}
