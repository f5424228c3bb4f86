/* lucet/testing.h: a lucet_call over plain memory, so that host functions can be tested without a guest, a compiler or a region.
 *
 * The functions here, and those of lucet.h that a host function may use, are in one C file that takes the place of liblucet in
 * the test program: CMake's target Lucet::testing compiles it in; elsewhere compile share/lucet/testing.c with the tests. Memory
 * comes from malloc and is exactly as long as asked for, so that the address sanitizer sees what goes beyond it.
 *
 *   lucet_testing *test = lucet_testing_new(65536, &data, &instance_data);
 *   memcpy(lucet_testing_memory(test) + 16, "colour", 6);
 *   arguments[0] = lucet_value_i32(16), arguments[1] = lucet_value_i32(6);
 *   outcome = lucet_testing_invoke(test, &rows[0], arguments, 2);      with the row's checks, as a guest would call
 *   or
 *   answer = store_get(lucet_testing_call(test), key, value);          directly
 *   outcome = lucet_testing_finish(test);
 *
 * What there is of lucet.h: lucet_call_instance, _data, _instance_data, _trap, _terminate, _suspend, _run, _func and _funcref;
 * lucet_instance_data, _memory, _view, _view_mut, _read, _write, _memory_grow, _keep and the handles; lucet_last_error,
 * lucet_status_name, lucet_trap_name. Only one thread. What else a host function calls does not link.
 *
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#ifndef LUCET_TESTING_H
#define LUCET_TESTING_H
#include "../lucet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An instance that is in a call of a host function. */
typedef struct lucet_testing lucet_testing;

/* What lucet_call_run and its sisters answer: the test's stand-in for the guest. `name` is NULL for functions without one. */
typedef lucet_outcome (*lucet_testing_guest)(lucet_testing *test, const char *name, const lucet_value *arguments,
                                             size_t count);

/* Makes one with so many bytes of memory, all zero. `data` is what lucet_call_data answers. NULL: no memory. */
lucet_testing *lucet_testing_new(size_t memory_bytes, void *data, void *instance_data);
/* Ends one, and releases the objects of its handles. NULL is allowed. */
void lucet_testing_free(lucet_testing *test);
/* Its memory. Growth moves it, which it does not in a guest: do not keep the pointer. */
uint8_t *lucet_testing_memory(lucet_testing *test);
/* Who answers callbacks; without one they are LUCET_NOT_FOUND. */
void lucet_testing_set_guest(lucet_testing *test, lucet_testing_guest guest);

/* A call, to be given to a host function. */
lucet_call *lucet_testing_call(lucet_testing *test);
/* What the host function has asked for since the call began: LUCET_RETURNED for nothing, LUCET_TRAPPED, LUCET_TERMINATED or
 * LUCET_SUSPENDED. The call is over. */
lucet_outcome lucet_testing_finish(lucet_testing *test);

/* Calls the function of a row as a guest would, with the guest's arguments: checks them, and does not call it when one is
 * refused. LUCET_NOT_RUN: the arguments do not have the row's types. The outcome's values are good until the next call. */
lucet_outcome lucet_testing_invoke(lucet_testing *test, const lucet_host_function *row, const lucet_value *arguments,
                                   size_t count);

#ifdef __cplusplus
}
#endif
#endif
