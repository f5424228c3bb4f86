/* abi_layout.c: the layouts that are frozen, as numbers: a change needs this file and src/abi.rs to be
 * edited. Checked when it compiles; running it says so. */
#include "harness.h"
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")
#define AT(type, field, offset)                                                                              \
  _Static_assert(offsetof(type, field) == (offset), #type "." #field " has moved")

SIZE(lucet_v128, 16);
SIZE(lucet_externref, 8);
SIZE(lucet_funcref, 8);
SIZE(lucet_payload, 16);
SIZE(lucet_value, 24);
AT(lucet_value, type, 0);
AT(lucet_value, reserved, 4);
AT(lucet_value, of, 8);
_Static_assert(_Alignof(lucet_value) == 8, "lucet_value has another alignment");

SIZE(lucet_outcome, 64);
AT(lucet_outcome, kind, 0);
AT(lucet_outcome, detail, 4);
AT(lucet_outcome, token, 8);
AT(lucet_outcome, values, 16);
AT(lucet_outcome, value_count, 24);
AT(lucet_outcome, cpu_ns, 32);
AT(lucet_outcome, reserved, 40);

SIZE(lucet_check, 16);
AT(lucet_check, limit, 0);
AT(lucet_check, element, 4);
AT(lucet_check, align, 6);
AT(lucet_check, kind, 7);
AT(lucet_check, of, 8);

SIZE(lucet_handle_kind, 16);
AT(lucet_handle_kind, name, 0);
AT(lucet_handle_kind, release, 8);

SIZE(lucet_host_function, 232);
AT(lucet_host_function, name, 0);
AT(lucet_host_function, function, 8);
AT(lucet_host_function, types, 16);
AT(lucet_host_function, flags, 24);
AT(lucet_host_function, reserved, 28);
AT(lucet_host_function, answer, 32);
AT(lucet_host_function, checks, 40);

SIZE(lucet_memory, 16);
AT(lucet_memory, data, 0);
AT(lucet_memory, size, 8);

SIZE(lucet_frame, 32);
AT(lucet_frame, name, 0);
AT(lucet_frame, name_length, 8);
AT(lucet_frame, function, 16);
AT(lucet_frame, wasm_offset, 24);

SIZE(lucet_extern, 96);
AT(lucet_extern, module, 0);
AT(lucet_extern, name, 16);
AT(lucet_extern, kind, 32);
AT(lucet_extern, flags, 36);
AT(lucet_extern, parameters, 40);
AT(lucet_extern, results, 56);
AT(lucet_extern, value_type, 72);
AT(lucet_extern, page_bytes, 76);
AT(lucet_extern, minimum, 80);
AT(lucet_extern, maximum, 88);

/* Structs with struct_size may only grow at their end. */
SIZE(lucet_load_options, 64);
AT(lucet_load_options, struct_size, 0);
AT(lucet_load_options, problem, 8);
AT(lucet_load_options, data, 16);
AT(lucet_load_options, flags, 24);
AT(lucet_load_options, reserved, 32);

SIZE(lucet_requirements, 120);
AT(lucet_requirements, memory_bytes, 8);
AT(lucet_requirements, memory_maximum_bytes, 16);
AT(lucet_requirements, table_elements, 24);
AT(lucet_requirements, state_bytes, 32);
AT(lucet_requirements, values, 40);
AT(lucet_requirements, reservation_bytes, 48);
AT(lucet_requirements, guard_bytes, 56);
AT(lucet_requirements, cpu_features, 64);
AT(lucet_requirements, memories, 72);
AT(lucet_requirements, stack_guard_bytes, 80);

SIZE(lucet_region_config, 144);
AT(lucet_region_config, instances, 8);
AT(lucet_region_config, callback_depth, 12);
AT(lucet_region_config, table_elements, 16);
AT(lucet_region_config, memory_bytes, 24);
AT(lucet_region_config, stack_bytes, 32);
AT(lucet_region_config, state_bytes, 40);
AT(lucet_region_config, keep_resident_bytes, 48);
AT(lucet_region_config, leaf_stack_bytes, 56);
AT(lucet_region_config, host_stack_bytes, 64);
AT(lucet_region_config, values, 72);
AT(lucet_region_config, flags, 76);
AT(lucet_region_config, log, 80);
AT(lucet_region_config, log_data, 88);
AT(lucet_region_config, handler_stack_bytes, 96);
AT(lucet_region_config, budget_bytes, 112);

SIZE(lucet_region_stats, 424);
AT(lucet_region_stats, capacity, 8);
AT(lucet_region_stats, live, 16);
AT(lucet_region_stats, trapped, 48);
AT(lucet_region_stats, terminated, 56);
AT(lucet_region_stats, resident_bytes, 64);
AT(lucet_region_stats, traps, 80);
AT(lucet_region_stats, kept_bytes, 360);
AT(lucet_region_stats, given_back, 368);

SIZE(lucet_limits, 96);
AT(lucet_limits, memory_bytes, 8);
AT(lucet_limits, table_elements, 16);
AT(lucet_limits, deadline_ns, 24);
AT(lucet_limits, cpu_ns, 32);
AT(lucet_limits, fuel, 40);
AT(lucet_limits, slice_ns, 48);

SIZE(lucet_wasi_options, 72);
AT(lucet_wasi_options, arguments, 8);
AT(lucet_wasi_options, environment, 24);

/* Numbers that are compiled into programs and modules. */
_Static_assert(LUCET_OK == 0 && LUCET_STALE == 7 && LUCET_POISONED == 22, "statuses keep their numbers");
_Static_assert(LUCET_I32 == 1 && LUCET_EXTERNREF == 7, "types keep their numbers");
_Static_assert(LUCET_NOT_RUN == 0 && LUCET_RETURNED == 1 && LUCET_TERMINATED == 5,
               "outcomes keep their numbers");
_Static_assert(LUCET_TRAP_UNREACHABLE == 1 && LUCET_TRAP_RESOURCE == 16 && LUCET_TRAP_UNSHARED_WAIT == 17, "traps keep their numbers");

int main(void) {
  EQUAL(lucet_version() >> 16, LUCET_VERSION >> 16);
  EQUAL(lucet_region_config_default().struct_size, sizeof(lucet_region_config));
  return finish();
}
