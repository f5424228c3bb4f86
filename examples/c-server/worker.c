/* worker.c: see worker.h. A guest runs inside the loop, which makes a request cheap: to its end, until it
 * waits, or for one slice. After each batch of events one guest of the queue has one slice, so whoever comes
 * meanwhile waits for a slice at most. */
#include "worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lucet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fetch.h"
#include "log.h"

enum { EVENTS = 64, TICK_MS = 250 };

bool worker_watch(struct worker *worker, int operation, int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events, .data.ptr = source};
  return epoll_ctl(worker->poller, operation, fd, &event) == 0;
}

void worker_bury(struct worker *worker, struct source *source) {
  source->dead = true;
  source->next_dead = worker->dead;
  worker->dead = source;
}

static void reap(struct worker *worker) {
  for (struct source *source = worker->dead, *next; source; source = next) {
    next = source->next_dead;
    free(source);
  }
  worker->dead = NULL;
}

static void set_accepting(struct worker *worker, bool on) {
  if (worker->accepting == on) return;
  /* EXCLUSIVE: one new connection does not wake all workers. */
  if (worker_watch(worker, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, worker->server->listener,
                   EPOLLIN | EPOLLEXCLUSIVE, &worker->listener_source))
    worker->accepting = on;
}

static void drop(struct worker *worker, struct connection *c) {
  *c->previous = c->next;
  if (c->next) c->next->previous = c->previous;
  connection_close(c); /* closing takes it out of epoll */
  worker_bury(worker, &c->source);
  worker->count--;
  atomic_fetch_sub(&worker->server->stats.open, 1);
}

/* Watches for what the connection waits for, or drops it. */
static void settle(struct worker *worker, struct connection *c, bool alive) {
  /* While a guest works on its request, only the client's going away is of interest. */
  uint32_t interest = c->state == CONNECTION_WRITE   ? EPOLLOUT
                      : c->state == CONNECTION_GUEST ? EPOLLRDHUP
                                                     : EPOLLIN;
  if (alive && interest != c->interest)
    alive = worker_watch(worker, EPOLL_CTL_MOD, c->fd, interest, &c->source);
  c->interest = interest;
  if (!alive) drop(worker, c);
}

static void adopt(struct worker *worker, int fd, const struct sockaddr_in *address) {
  char ip[INET_ADDRSTRLEN] = "?", peer[32];
  int on = 1;
  inet_ntop(AF_INET, &address->sin_addr, ip, sizeof ip);
  snprintf(peer, sizeof peer, "%s:%u", ip, (unsigned)ntohs(address->sin_port));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct connection *c = connection_new(worker, fd, peer);
  if (!c || !worker_watch(worker, EPOLL_CTL_ADD, fd, EPOLLIN, &c->source)) {
    log_error("%s: connection refused: no memory", peer);
    free(c);
    close(fd);
    return;
  }
  c->interest = EPOLLIN;
  c->draining = worker->drain_until_ms != 0;
  c->next = worker->connections;
  c->previous = &worker->connections;
  if (c->next) c->next->previous = &c->next;
  worker->connections = c;
  worker->count++;
  atomic_fetch_add(&worker->server->stats.connections, 1);
  atomic_fetch_add(&worker->server->stats.open, 1);
}

static void accept_all(struct worker *worker, unsigned most) {
  for (; most > 0 && worker->count < worker->server->config.connections; most--) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    int fd =
        accept4(worker->server->listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
      adopt(worker, fd, &address);
    else if (errno != EINTR && errno != ECONNABORTED)
      break;
  }
}

static void begin_drain(struct worker *worker) {
  struct connection *c, *next;
  worker->drain_until_ms = clock_ms() + 1000ull * worker->server->config.drain_seconds;
  set_accepting(worker, false);
  accept_all(worker, UINT32_MAX); /* for the clients these are connected already */
  if (atomic_fetch_add(&worker->server->drained, 1) + 1 == worker->server->config.threads)
    shutdown(worker->server->listener, SHUT_RD); /* from now on the kernel refuses new ones */
  for (c = worker->connections; c; c = next) {
    next = c->next;
    c->draining = true;
    bool alive = connection_ready(c); /* a request that has arrived is in flight */
    settle(worker, c, alive && !connection_is_idle(c));
  }
}

static void sweep(struct worker *worker) {
  struct connection *c, *next;
  uint64_t now = clock_ms();
  bool over = worker->drain_until_ms && now >= worker->drain_until_ms;
  if (over && worker->count) log_error("drain: %u connections are not done in time", worker->count);
  for (c = worker->connections; c; c = next) {
    next = c->next;
    if (over)
      drop(worker, c);
    else if (now >= c->deadline_ms)
      settle(worker, c, connection_expired(c));
  }
}

/* A client is ready, or its guest has ended. */
static void go_on(struct worker *worker, struct connection *c) {
  bool alive = connection_ready(c);
  settle(worker, c, alive && !(c->draining && connection_is_idle(c)));
}

void worker_finish(struct worker *worker, struct exchange *exchange) {
  struct connection *c = connection_of_exchange(exchange);
  connection_answer(c);
  go_on(worker, c);
}

static void handle(struct worker *worker, struct source *source) {
  uint64_t count;
  if (source->dead) return;
  switch (source->kind) {
  case SOURCE_LISTENER:
    accept_all(worker, 16); /* and leave some to the others */
    break;
  case SOURCE_WAKER:
    if (read(worker->waker, &count, sizeof count) < 0) return; /* only to make it quiet */
    if (atomic_load(&worker->drain) && !worker->drain_until_ms) begin_drain(worker);
    break;
  case SOURCE_CLIENT:
    if (((struct connection *)source)->state == CONNECTION_GUEST)
      drop(worker, (struct connection *)source); /* it has gone, and its guest goes too */
    else
      go_on(worker, (struct connection *)source);
    break;
  case SOURCE_FETCH:
    fetch_ready((struct fetch *)source);
    break;
  }
}

/* Gives guests their time: those that have waited long enough, and the route whose turn it is. */
static void run_guests(struct worker *worker) {
  if (worker->timers.count > 0) timers_run(&worker->timers, clock_ms());
  size_t route = turns_next(&worker->turns);
  if (route == worker->turns.routes) return;
  uint64_t end_us = clock_us() + worker->server->config.routes[route].slice_ns / 1000;
  for (struct run *run; (run = turns_pop(&worker->turns, route));) {
    run_wake(run);
    if (clock_us() >= end_us) return;
  }
}

static void *loop(void *argument) {
  struct worker *worker = argument;
  struct epoll_event events[EVENTS];
  uint64_t swept = clock_ms();
  while (!worker->drain_until_ms || worker->count > 0) {
    bool draining = worker->drain_until_ms != 0;
    set_accepting(worker, !draining && worker->count < worker->server->config.connections);
    int wait = worker->turns.count > 0    ? 0
               : worker->timers.count > 0 ? timers_wait(&worker->timers, clock_ms(), TICK_MS)
                                          : TICK_MS;
    int n = epoll_wait(worker->poller, events, EVENTS, wait);
    for (int i = 0; i < n; i++)
      handle(worker, events[i].data.ptr);
    run_guests(worker);
    reap(worker);
    if (clock_ms() - swept >= TICK_MS) {
      swept = clock_ms();
      sweep(worker);
    }
  }
  reap(worker);
  timers_free(&worker->timers);
  lucet_thread_detach();
  return NULL;
}

bool worker_start(struct worker *worker, struct server *server) {
  *worker = (struct worker){.server = server,
                            .poller = -1,
                            .waker = -1,
                            .listener_source = {.kind = SOURCE_LISTENER},
                            .waker_source = {.kind = SOURCE_WAKER}};
  turns_init(&worker->turns, server->guests.count);
  worker->poller = epoll_create1(EPOLL_CLOEXEC);
  worker->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (worker->poller >= 0 && worker->waker >= 0 &&
      worker_watch(worker, EPOLL_CTL_ADD, worker->waker, EPOLLIN, &worker->waker_source) &&
      pthread_create(&worker->thread, NULL, loop, worker) == 0)
    return true;
  log_error("worker: %s", strerror(errno));
  if (worker->poller >= 0) close(worker->poller);
  if (worker->waker >= 0) close(worker->waker);
  return false;
}

void worker_drain(struct worker *worker) {
  uint64_t one = 1;
  atomic_store(&worker->drain, true);
  if (write(worker->waker, &one, sizeof one) < 0) log_error("worker: %s", strerror(errno));
}

void worker_join(struct worker *worker) {
  pthread_join(worker->thread, NULL);
  close(worker->poller);
  close(worker->waker);
}
