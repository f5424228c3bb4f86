/* source.h: what epoll gives back. Connections and fetches begin with one of these. What is freed while
 * events are handled is buried first, because another event of the same batch may still name it. */
#ifndef SERVER_SOURCE_H
#define SERVER_SOURCE_H

#include <stdbool.h>

enum source_kind { SOURCE_LISTENER, SOURCE_WAKER, SOURCE_CLIENT, SOURCE_FETCH };

struct source {
  enum source_kind kind;
  bool dead;
  struct source *next_dead;
};

#endif
