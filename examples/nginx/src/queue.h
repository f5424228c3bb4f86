/* queue.h: whose turn it is: runs whose slice has ended, and requests for which there was no free slot. One
 * turn of a slice in each pass of nginx's event loop, so that everybody else waits for that at most; the
 * guests take turns, so that one with many runs gets no more time than one with few. A guest that uses up its
 * slices, or often takes long, is slow: for a while, its requests begin in the queue, too. Belongs to the
 * worker's thread. */
#ifndef LUCET_NGINX_QUEUE_H
#define LUCET_NGINX_QUEUE_H

#include "run.h"

void queue_init(void);
void queue_push(struct run *run);
void queue_remove(struct run *run);
/* Says that a run of this guest uses up its slices; and how long one took that did not. */
void queue_slow(struct guest *guest);
void queue_took(struct guest *guest, uint64_t ns);
/* How long the next slice is of a guest that may have `most`: while others are served in between it is short,
 * as they have to wait for its end; a worker with nothing else to do saves the cost of many slices. */
uint64_t queue_slice(uint64_t most);
/* Whether a new run of this guest has to wait for its turn. */
ngx_flag_t queue_must_wait(const struct guest *guest);

/* Puts a run at the end of those that wait for a slot, and takes it away. */
void queue_for_slot(struct run *run);
void queue_leave(struct run *run);
void queue_slot_is_free(void);

#endif
