/* hash_table.c: insertion, search and deletion in a table with chained buckets, nodes from a free list:
 * pointers that are followed. */
#include "kernel.h"

enum { BUCKETS = 1 << 14, NODES = 1 << 15 };
struct node {
  struct node *next;
  uint32_t key, value;
};
static struct node nodes[NODES], *buckets[BUCKETS], *free_nodes;

static void clear(void) {
  free_nodes = NULL;
  for (int i = 0; i < BUCKETS; i++)
    buckets[i] = NULL;
  for (int i = 0; i < NODES; i++)
    nodes[i].next = free_nodes, free_nodes = &nodes[i];
}

static struct node **place(uint32_t key) {
  struct node **at = &buckets[key * 2654435761u >> 18];
  while (*at && (*at)->key != key)
    at = &(*at)->next;
  return at;
}

static bool toggle(uint32_t key, uint32_t value) {
  struct node **at = place(key), *node = *at;
  if (node) {
    *at = node->next;
    node->next = free_nodes;
    free_nodes = node;
    return false;
  }
  if (!(node = free_nodes)) return false;
  free_nodes = node->next;
  *node = (struct node){NULL, key, value};
  *at = node;
  return true;
}

KERNEL uint32_t run(uint32_t rounds) {
  uint32_t sum = 0;
  while (rounds--) {
    uint32_t state = 47;
    clear();
    for (int i = 0; i < 100000; i++) {
      uint32_t random = next_random(&state), key = random & 0xFFFF;
      if (random >> 30) {
        struct node *found = *place(key);
        sum = mix(sum, found ? found->value : 1);
      } else
        sum += toggle(key, random >> 16);
    }
  }
  return sum;
}
