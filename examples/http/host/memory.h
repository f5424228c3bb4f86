/* memory.h: how host functions reach what is not among their parameters, which lucet.h checks: a range is
 * checked as a whole, and a guest that names one outside its memory is stopped with a trap. The pointers are
 * good within the call of the host function only. */
#ifndef HTTP_HOST_MEMORY_H
#define HTTP_HOST_MEMORY_H

#include <lucet.h>

/* A range to read, or NULL; then the guest has trapped and the host function returns at once. */
static inline const char *host_input(lucet_call *call, uint64_t address, uint64_t length) {
  const uint8_t *data;
  if (lucet_instance_view(lucet_call_instance(call), 0, address, length, &data) == LUCET_OK)
    return (const char *)data;
  lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
  return NULL;
}

/* The same for a range to fill. */
static inline char *host_output(lucet_call *call, uint64_t address, uint64_t length) {
  uint8_t *data;
  if (lucet_instance_view_mut(lucet_call_instance(call), 0, address, length, &data) == LUCET_OK)
    return (char *)data;
  lucet_call_trap(call, LUCET_TRAP_HOST_ARGUMENT);
  return NULL;
}

/* Where a range that was checked for a host function begins in its guest's memory, for one that has to look
 * it up again after a wait. */
static inline uint64_t host_address(lucet_call *call, const void *range) {
  return (uint64_t)((const uint8_t *)range - lucet_instance_memory(lucet_call_instance(call), 0).data);
}

#endif
