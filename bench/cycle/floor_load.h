/* floor_load.h: see floor_load.c. */
#ifndef FLOOR_LOAD_H
#define FLOOR_LOAD_H
#include "engine.h"

/* A bench_work whose context is the path of a file. */
uint64_t floor_sealed_copy(uint64_t argument, void *path, uint64_t count);
#endif
