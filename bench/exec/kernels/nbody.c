/* nbody.c: five bodies under gravity: floating point with square roots and divisions, all in registers or
 * close. */
#include "kernel.h"

enum { BODIES = 5, STEPS = 40000 };
struct body {
  double x, y, z, vx, vy, vz, mass;
};
static struct body bodies[BODIES];

static void start(void) {
  uint32_t state = 7;
  for (int i = 0; i < BODIES; i++) {
    double *fields = &bodies[i].x;
    for (int j = 0; j < 7; j++)
      fields[j] = ((double)(next_random(&state) & 0xFFFF) - 32768) / 4096;
    bodies[i].mass = 1 + i;
  }
}

static void step(double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      struct body *a = &bodies[i], *b = &bodies[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double square = dx * dx + dy * dy + dz * dz + 0.01;
      double force = dt / (square * __builtin_sqrt(square));
      a->vx -= dx * b->mass * force, a->vy -= dy * b->mass * force, a->vz -= dz * b->mass * force;
      b->vx += dx * a->mass * force, b->vy += dy * a->mass * force, b->vz += dz * a->mass * force;
    }
  for (int i = 0; i < BODIES; i++) {
    bodies[i].x += dt * bodies[i].vx;
    bodies[i].y += dt * bodies[i].vy;
    bodies[i].z += dt * bodies[i].vz;
  }
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  while (rounds--) {
    start();
    for (int i = 0; i < STEPS; i++)
      step(0.001);
    for (int i = 0; i < BODIES; i++)
      sum = mix(sum, (uint32_t)(int64_t)(bodies[i].x * 1e6));
  }
  return sum;
}
