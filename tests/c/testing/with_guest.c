/* with_guest.c: see cases.h. */
#include "cases.h"

int main(int argc, char **argv) {
  static uint8_t content[PAGE];
  lucet_linker *linker;
  lucet_module *module;
  lucet_region *region;
  lucet_instance *guest;
  size_t row, i, j;
  if (argc != 2 || lucet_linker_new(&linker) || lucet_linker_define(linker, "args", rows, ROWS, NULL) ||
      lucet_signals_install(0) || lucet_module_load_file(argv[1], linker, NULL, &module) ||
      lucet_region_new(NULL, &region) || lucet_instance_new(region, module, NULL, NULL, &guest)) {
    printf("%s\n", lucet_last_error());
    return 1;
  }
  fill(content);
  names();
  for (row = 0; row < ROWS; row++)
    for (i = 0; i < NUMBERS; i++)
      for (j = 0; j < NUMBERS; j++) {
        lucet_value arguments[2];
        lucet_outcome outcome;
        lucet_memory memory;
        arguments[0] = lucet_value_i32((int32_t)numbers[i]);
        arguments[1] = lucet_value_i32((int32_t)numbers[j]);
        if (lucet_instance_reset(guest) || lucet_instance_write(guest, 0, 0, content, PAGE) ||
            lucet_instance_run(guest, rows[row].name, arguments, 2, &outcome)) {
          printf("%s: %s\n", rows[row].name, lucet_last_error());
          return 1;
        }
        memory = lucet_instance_memory(guest, 0);
        report(rows[row].name, numbers[i], numbers[j], &outcome, memory.data, memory.size);
      }
  return lucet_instance_release(guest) != LUCET_OK;
}
