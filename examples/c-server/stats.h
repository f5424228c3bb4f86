/* stats.h: what the server counts, and /-/stats, which shows it together with the region's own numbers. */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "buffer.h"
#include "guests.h"

struct stats {
  atomic_ullong requests;    /* answered, whatever the status; the sum of by_class */
  atomic_ullong by_class[6]; /* 2: 200 to 299, ... */
  atomic_ullong connections, open, reloads, reload_failures;
};

void stats_answered(struct stats *stats, int status);
/* JSON; false: no memory, or the region does not answer. */
bool stats_json(struct stats *stats, struct guests *guests, struct buffer *out);
/* The same numbers, one "name value" a line. */
bool stats_text(struct stats *stats, struct guests *guests, struct buffer *out);

#endif
