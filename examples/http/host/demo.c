/* demo.c: the host function of the examples that calls its guest back. Not a part of lucet_http_v0. */
#include "lucet_http_host.h"

int32_t demo_call_back(lucet_call *call, int32_t function, int32_t argument) {
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
