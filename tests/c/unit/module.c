/* module.c: loading in every way, what a module says about itself, and files that are none. */
#include "fixture.h"
#include <fcntl.h>
#include <unistd.h>

static int32_t add(lucet_call *call, int32_t left, int32_t right) {
  (void)call;
  return left + right;
}

struct file {
  uint8_t *bytes;
  size_t length;
};
static struct file contents(const char *path) {
  struct file file = {NULL, 0};
  FILE *stream = fopen(path, "rb");
  long length = -1;
  if (stream && !fseek(stream, 0, SEEK_END)) length = ftell(stream);
  if (length > 0 && !fseek(stream, 0, SEEK_SET) && (file.bytes = malloc((size_t)length)) != NULL)
    file.length = fread(file.bytes, 1, (size_t)length, stream);
  if (stream) fclose(stream);
  CHECK(length > 0 && file.length == (size_t)length);
  return file;
}

static void ways(lucet_linker *linker, lucet_region *region) {
  lucet_load_options in_place = lucet_load_options_default();
  lucet_load_options trusted = lucet_load_options_default();
  lucet_module *modules[6] = {NULL};
  struct file file = contents(guest_path("sum"));
  int fd = open(guest_path("sum"), O_RDONLY | O_CLOEXEC);
  in_place.flags = LUCET_LOAD_IN_PLACE;
  trusted.flags = LUCET_LOAD_IN_PLACE | LUCET_LOAD_TRUSTED;
  NEED(lucet_module_load_file(guest_path("sum"), linker, NULL, &modules[0]));
  NEED(lucet_module_load_file(guest_path("sum"), linker, &in_place, &modules[1]));
  NEED(lucet_module_load_fd(fd, linker, NULL, &modules[2]));
  NEED(lucet_module_load_fd(fd, linker, &in_place, &modules[3]));
  NEED(lucet_module_load_bytes(file.bytes, file.length, linker, NULL, &modules[4]));
  NEED(lucet_module_load_file(guest_path("sum"), linker, &trusted, &modules[5]));
  close(fd);
  memset(file.bytes, 0, file.length);
  free(file.bytes);
  for (int i = 0; i < 6; i++) {
    lucet_instance *guest = fixture_instance(region, modules[i], NULL);
    EQUAL(RUN2(guest, "sum", i, 10), 10 + i);
    CHECK(strcmp(lucet_module_build_id(modules[i]), lucet_module_build_id(modules[0])) == 0);
    OK(lucet_instance_release(guest));
  }
  for (int i = 0; i < 6; i++)
    lucet_module_release(modules[i]);
}

static void refusals(lucet_linker *linker) {
  lucet_load_options options = lucet_load_options_default();
  lucet_module *module = NULL;
  lucet_linker *empty = NULL;
  struct file file = contents(guest_path("sum"));
  unsigned refused = 0, tried = 0;
  FAILS(LUCET_NOT_FOUND, "/nowhere/at/all", lucet_module_load_file("/nowhere/at/all", linker, NULL, &module));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_load_file(NULL, linker, NULL, &module));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_load_file(guest_path("sum"), linker, NULL, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_load_bytes(NULL, 10, linker, NULL, &module));
  STATUS(LUCET_BAD_ARGUMENT, lucet_module_load_file("/", linker, NULL, &module));
  STATUS(LUCET_BAD_ARGUMENT, lucet_module_load_fd(-1, linker, NULL, &module));
  STATUS(LUCET_BAD_ARGUMENT, lucet_module_load_fd(1 << 20, linker, NULL, &module));
  STATUS(LUCET_SYSTEM, lucet_module_load_file("/dev/null/file", linker, NULL, &module));
  STATUS(LUCET_BAD_MODULE, lucet_module_load_file("/dev/../proc/self/exe", linker, NULL, &module));
  STATUS(LUCET_BAD_MODULE, lucet_module_load_bytes("", 0, linker, NULL, &module));
  STATUS(LUCET_BAD_MODULE, lucet_module_load_bytes("\0asm\1\0\0\0", 8, linker, NULL, &module));
  STATUS(LUCET_BAD_MODULE, lucet_module_load_bytes(file.bytes, file.length - 1, linker, NULL, &module));
  STATUS(LUCET_BAD_MODULE, lucet_module_load_bytes(file.bytes, file.length / 2, linker, NULL, &module));
  /* A flipped byte anywhere is found, or harmless, never a crash. Most of a module is code and data under a
   * checksum. */
  for (size_t at = 0; at < file.length; at += file.length / 97 + 1) {
    lucet_status status;
    file.bytes[at] ^= 0x41;
    status = lucet_module_load_bytes(file.bytes, file.length, linker, NULL, &module);
    CHECK(status == LUCET_OK || status == LUCET_BAD_MODULE || status == LUCET_INCOMPATIBLE);
    if (status) refused++;
    lucet_module_release(status ? NULL : module);
    file.bytes[at] ^= 0x41;
    tried++;
  }
  CHECK(tried > 50 && refused > tried / 4);
  STATUS(LUCET_OK, lucet_module_load_bytes(file.bytes, file.length, linker, NULL, &module));
  lucet_module_release(module);
  options.struct_size = 8;
  FAILS(LUCET_BAD_STRUCT, "struct_size",
        lucet_module_load_bytes(file.bytes, file.length, linker, &options, &module));
  CHECK(module == NULL);
  options = lucet_load_options_default();
  options.reserved[1] = 1;
  STATUS(LUCET_BAD_STRUCT, lucet_module_load_bytes(file.bytes, file.length, linker, &options, &module));
  options = lucet_load_options_default();
  options.flags = 0x100;
  STATUS(LUCET_BAD_ARGUMENT, lucet_module_load_bytes(file.bytes, file.length, linker, &options, &module));
  options.flags = LUCET_LOAD_IN_PLACE;
  STATUS(LUCET_BAD_ARGUMENT, lucet_module_load_bytes(file.bytes, file.length, linker, &options, &module));
  options.flags = LUCET_LOAD_TRUSTED; /* nothing without LUCET_LOAD_IN_PLACE */
  STATUS(LUCET_BAD_ARGUMENT, lucet_module_load_file(guest_path("sum"), linker, &options, &module));
  NEED(lucet_linker_new(&empty));
  FAILS(LUCET_NOT_FOUND, "\"env\" \"add\"", lucet_module_load_file(guest_path("sum"), empty, NULL, &module));
  lucet_linker_release(empty);
  free(file.bytes);
}

/* An older program's struct is shorter than FIRST_SIZE never; a newer one's is longer, and its new fields
 * must be zero. */
static void longer_structs(void) {
  struct {
    lucet_requirements known;
    uint64_t later[2];
  } large;
  lucet_module *module = fixture_module("everything", NULL);
  lucet_requirements small = lucet_requirements_default();
  memset(&large, 0, sizeof large);
  large.known.struct_size = sizeof large;
  OK(lucet_module_requirements(module, &large.known));
  EQUAL(large.known.struct_size, sizeof large);
  EQUAL(large.known.memory_bytes, 65536);
  EQUAL(large.later[0], 0);
  OK(lucet_module_requirements(module, &small));
  EQUAL(small.memory_bytes, 65536);
  EQUAL(small.memory_maximum_bytes, 4 * 65536);
  CHECK(small.table_elements >= 6 && small.state_bytes > 0 && small.values >= 12);
  CHECK(small.reservation_bytes >= 65536 && small.guard_bytes > 0);
  small.struct_size = 16;
  STATUS(LUCET_BAD_STRUCT, lucet_module_requirements(module, &small));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_requirements(module, NULL));
  lucet_module_release(module);
}

static int extern_is(const lucet_extern *what, const char *module, const char *name, uint32_t kind) {
  return what->kind == kind && what->name_length == strlen(name) &&
         !memcmp(what->name, name, what->name_length) &&
         (!module ||
          (what->module_length == strlen(module) && !memcmp(what->module, module, what->module_length)));
}

static lucet_extern export_named(const lucet_module *module, const char *name) {
  lucet_extern found;
  memset(&found, 0xff, sizeof found);
  for (size_t i = 0; i < lucet_module_export_count(module); i++) {
    OK(lucet_module_export(module, i, &found));
    if (found.name_length == strlen(name) && !memcmp(found.name, name, found.name_length)) return found;
  }
  CONTAINS("no export is called so", name);
  return found;
}

static void descriptions(void) {
  lucet_module *module = NULL;
  lucet_extern found;
  const lucet_func *func = NULL;
  NEED(lucet_module_load_file(guest_path("imports"), NULL, NULL, &module)); /* only to be looked at */
  EQUAL(lucet_module_import_count(module), 9);
  OK(lucet_module_import(module, 0, &found));
  CHECK(extern_is(&found, "env", "add", LUCET_EXTERN_FUNCTION));
  EQUAL(found.parameter_count, 2);
  EQUAL(found.result_count, 1);
  EQUAL(found.parameters[1], LUCET_I32);
  OK(lucet_module_import(module, 8, &found));
  CHECK(extern_is(&found, "env", "base", LUCET_EXTERN_GLOBAL));
  EQUAL(found.value_type, LUCET_I32);
  EQUAL(found.flags & LUCET_EXTERN_MUTABLE, 0);
  FAILS(LUCET_OUT_OF_BOUNDS, "9", lucet_module_import(module, 9, &found));
  STATUS(LUCET_OUT_OF_BOUNDS, lucet_module_export(module, SIZE_MAX, &found));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_import(module, 0, NULL));
  CHECK(lucet_module_entry(module, "add", LUCET_TYPES(int32_t, int32_t, int32_t)) == NULL);
  CONTAINS(lucet_last_error(), "link");
  lucet_module_release(module);

  module = fixture_module("everything", NULL);
  CHECK(strlen(lucet_module_build_id(module)) >= 16);
  EQUAL(strspn(lucet_module_build_id(module), "0123456789abcdef"), strlen(lucet_module_build_id(module)));
  CONTAINS(lucet_module_producer(module), "lucetc");
  found = export_named(module, "memory");
  EQUAL(found.kind, LUCET_EXTERN_MEMORY);
  EQUAL(found.minimum, 1);
  EQUAL(found.maximum, 4);
  EQUAL(found.flags & LUCET_EXTERN_BOUNDED, LUCET_EXTERN_BOUNDED);
  found = export_named(module, "objects");
  EQUAL(found.kind, LUCET_EXTERN_TABLE);
  EQUAL(found.value_type, LUCET_EXTERNREF);
  EQUAL(found.maximum, 6);
  found = export_named(module, "counter");
  EQUAL(found.kind, LUCET_EXTERN_GLOBAL);
  EQUAL(found.flags & LUCET_EXTERN_MUTABLE, LUCET_EXTERN_MUTABLE);
  found = export_named(module, "swap");
  EQUAL(found.parameter_count, 3);
  EQUAL(found.result_count, 3);
  EQUAL(found.results[0], LUCET_F64);
  OK(lucet_module_func(module, "add", &func));
  CHECK(func != NULL);
  FAILS(LUCET_NOT_FOUND, "\"nobody\"", lucet_module_func(module, "nobody", &func));
  STATUS(LUCET_NOT_FOUND, lucet_module_func(module, "memory", &func));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_func(module, "add", NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_func(module, NULL, &func));
  lucet_module_release(module);
}

/* A function by its place among the exports, as a host finds it whose names are not C's. */
static void functions_by_index(lucet_region *region) {
  lucet_module *module = fixture_module("everything", NULL);
  lucet_instance *guest = fixture_instance(region, module, NULL);
  const lucet_func *func = NULL, *by_name = NULL;
  size_t functions = 0, count = lucet_module_export_count(module);
  lucet_extern found;
  for (size_t i = 0; i < count; i++) {
    OK(lucet_module_export(module, i, &found));
    STATUS(found.kind == LUCET_EXTERN_FUNCTION ? LUCET_OK : LUCET_NOT_FOUND,
           lucet_module_func_at(module, i, &func));
    CHECK((func != NULL) == (found.kind == LUCET_EXTERN_FUNCTION));
    if (!func || !extern_is(&found, NULL, "counter_value", LUCET_EXTERN_FUNCTION)) continue;
    lucet_outcome outcome;
    OK(lucet_instance_call(guest, func, NULL, 0, &outcome));
    EQUAL(outcome.values[0].of.i32, 7);
    OK(lucet_module_func(module, "counter_value", &by_name));
    CHECK(by_name == func);
    functions++;
  }
  EQUAL(functions, 1);
  FAILS(LUCET_NOT_FOUND, "export", lucet_module_func_at(module, count, &func));
  STATUS(LUCET_NOT_FOUND, lucet_module_func_at(module, SIZE_MAX, &func));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_func_at(module, 0, NULL));
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_func_at(NULL, 0, &func));
  OK(lucet_instance_release(guest));
  lucet_module_release(module);
}

static void linking(lucet_linker *linker, lucet_region *region) {
  lucet_module *bare = NULL, *linked = NULL;
  lucet_instance *guest = NULL;
  NEED(lucet_module_load_file(guest_path("sum"), NULL, NULL, &bare));
  FAILS(LUCET_UNLINKED, "without a linker", lucet_instance_new(region, bare, NULL, NULL, &guest));
  CHECK(guest == NULL);
  STATUS(LUCET_NULL_ARGUMENT, lucet_module_link(bare, NULL, NULL, &linked));
  NEED(lucet_module_link(bare, linker, NULL, &linked));
  CHECK(strcmp(lucet_module_build_id(bare), lucet_module_build_id(linked)) == 0);
  lucet_module_release(bare);
  guest = fixture_instance(region, linked, NULL);
  lucet_module_release(linked);
  EQUAL(RUN2(guest, "sum", 3, 4), 7);
  OK(lucet_instance_release(guest));
}

int main(void) {
  lucet_region *region = fixture_region(2);
  lucet_linker *linker = NULL;
  NEED(lucet_linker_new(&linker));
  NEED(LUCET_DEFINE(linker, "env", NULL, LUCET_HOST("add", add, int32_t, int32_t, int32_t)));
  ways(linker, region);
  refusals(linker);
  longer_structs();
  descriptions();
  functions_by_index(region);
  linking(linker, region);
  lucet_linker_release(linker);
  lucet_region_release(region);
  return finish();
}
