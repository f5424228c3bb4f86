/* floor_system.h: see floor_system.c. */
#ifndef FLOOR_SYSTEM_H
#define FLOOR_SYSTEM_H
#include "engine.h"

/* A bench_work whose context is the path of a file; 1: a sealed copy of it is mapped. */
uint64_t floor_mapped(uint64_t copied, void *path, uint64_t count);
/* A bench_work without a context that answers its argument each time, which is what growing does: the old
 * size. */
uint64_t floor_grown(uint64_t argument, void *context, uint64_t count);
#endif
