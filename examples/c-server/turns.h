/* turns.h: the queue of runs whose slice has ended. A slice of time each turn, the routes one after the
 * other, so that a route with many requests gets no more time than one with few. A route whose guests use up
 * slice after slice is slow: for a while, its requests begin in the queue, too. (One slice says little: a
 * guest that is to be short may just have met a busy processor.) Belongs to one worker's thread. */
#ifndef SERVER_TURNS_H
#define SERVER_TURNS_H

#include <stdbool.h>

#include "config.h"
#include "run.h"

struct turns {
  struct run *first[CONFIG_MAX_ROUTES], **last[CONFIG_MAX_ROUTES]; /* of each route */
  size_t next, routes;                                             /* whose turn it is */
  size_t count;
  uint64_t slow_until_ms[CONFIG_MAX_ROUTES];
};

void turns_init(struct turns *turns, size_t routes);
void turns_push(struct turns *turns, struct run *run, size_t route);
/* The route whose turn it is; `routes` if nobody waits. */
size_t turns_next(struct turns *turns);
/* Takes the next one of a route out; NULL: there is none. */
struct run *turns_pop(struct turns *turns, size_t route);
void turns_remove(struct turns *turns, struct run *run, size_t route);
/* Says that a run of this route uses up its slices. */
void turns_slow(struct turns *turns, size_t route, uint64_t now_ms);
/* Whether a new run of this route has to wait for its turn. */
bool turns_must_wait(const struct turns *turns, size_t route, uint64_t now_ms);

#endif
