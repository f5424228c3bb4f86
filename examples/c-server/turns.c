/* turns.c: see turns.h. */
#include "turns.h"

enum { SLOW_FOR_MS = 1000 };

void turns_init(struct turns *turns, size_t routes) {
  *turns = (struct turns){.routes = routes};
  for (size_t i = 0; i < routes; i++)
    turns->last[i] = &turns->first[i];
}

void turns_push(struct turns *turns, struct run *run, size_t route) {
  run->next = NULL;
  run->previous = turns->last[route];
  *turns->last[route] = run;
  turns->last[route] = &run->next;
  run->state = RUN_QUEUED;
  turns->count++;
}

void turns_remove(struct turns *turns, struct run *run, size_t route) {
  *run->previous = run->next;
  if (run->next)
    run->next->previous = run->previous;
  else
    turns->last[route] = run->previous;
  turns->count--;
}

size_t turns_next(struct turns *turns) {
  if (turns->count == 0) return turns->routes;
  while (!turns->first[turns->next])
    turns->next = (turns->next + 1) % turns->routes;
  size_t route = turns->next;
  turns->next = (turns->next + 1) % turns->routes;
  return route;
}

struct run *turns_pop(struct turns *turns, size_t route) {
  struct run *run = turns->first[route];
  if (run) turns_remove(turns, run, route);
  return run;
}

void turns_slow(struct turns *turns, size_t route, uint64_t now_ms) {
  turns->slow_until_ms[route] = now_ms + SLOW_FOR_MS;
}

bool turns_must_wait(const struct turns *turns, size_t route, uint64_t now_ms) {
  return now_ms < turns->slow_until_ms[route];
}
