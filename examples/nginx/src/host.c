/* host.c: see host.h. The linker, and the function of the tests' guests that calls them back. */
#include "host.h"

/* Calls function number `function` of the guest's table with `argument`: for guests that show what happens in
 * callbacks. */
static int32_t call_back(lucet_call *call, int32_t function, int32_t argument) {
  lucet_value callee, parameter = lucet_value_i32(argument);
  lucet_outcome outcome;
  if (lucet_instance_table_get(lucet_call_instance(call), "__indirect_function_table", (uint32_t)function,
                               &callee) ||
      callee.type != LUCET_FUNCREF) {
    lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
    return 0;
  }
  /* A refusal (too deep, wrong type) or a trap inside ends the guest when this function returns. */
  lucet_status status = lucet_call_funcref(call, callee.of.funcref, &parameter, 1, &outcome);
  if (status == LUCET_OK && outcome.kind == LUCET_RETURNED && outcome.value_count == 1)
    return outcome.values[0].of.i32;
  if (outcome.kind == LUCET_NOT_RUN)
    lucet_call_trap(call, status == LUCET_DEPTH ? LUCET_TRAP_DEPTH : LUCET_TRAP_HOST_ARGUMENT);
  return 0;
}

static const lucet_host_function demo_functions[] = {
    LUCET_HOST("call_back", call_back, int32_t, int32_t, int32_t),
};

lucet_status host_linker(lucet_linker **linker) {
  const struct {
    const char *module;
    const lucet_host_function *functions;
    size_t count;
  } tables[] = {
      {"lucet_http_v0", host_request_functions, host_request_count},
      {"lucet_http_v0", host_response_functions, host_response_count},
      {"lucet_http_v0", host_other_functions, host_other_count},
      {"lucet_http_v0", host_fetch_functions, host_fetch_count},
      {"lucet_http_filter_v0", host_filter_functions, host_filter_count},
      {"demo", demo_functions, 1},
  };
  lucet_status status = lucet_linker_new(linker);
  for (size_t i = 0; status == LUCET_OK && i < sizeof tables / sizeof tables[0]; i++)
    status = lucet_linker_define(*linker, tables[i].module, tables[i].functions, tables[i].count, NULL);
  return status;
}
