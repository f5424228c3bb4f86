/* copies.h: what copies.c asks of a copy of liblucet. Outcomes are the value returned, 1000 and the trap, or
 * 2000 and the stop. */
#ifndef COPIES_H
#define COPIES_H
enum copy {
  COPY_START, /* loads the guest, whose path is the argument */
  COPY_INSTALL,
  COPY_CHECK,
  COPY_REMOVE,
  COPY_OPEN, /* a region and an instance */
  COPY_VALUE,
  COPY_MEMORY,
  COPY_STACK,
  COPY_UNREACHABLE,
  COPY_DEADLINE,
  COPY_SPIN,
  COPY_KILL, /* what spins; -1: nothing does yet */
  COPY_INNER,      /* calls the argument in a host function */
  COPY_HOST_FAULT, /* in a host function */
  COPY_ABANDON,
  COPY_STOP
};
typedef int (*copy_function)(enum copy what, const void *argument);
#endif
