/* server.h: what all threads share. Made before they start; only the counters and each guest's code change
 * afterwards. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "access_log.h"
#include "config.h"
#include "guests.h"
#include "stats.h"

struct server {
  struct config config;
  struct guests guests;
  struct stats stats;
  struct access_log access_log;
  int listener;
  atomic_uint drained; /* workers that accept no more; the last one closes the door */
};

#endif
