/* SPDX-License-Identifier: MIT */
/* Nodes: what a loop can be asked to run, and the queues they travel in. */
#ifndef OVIO_COMMON_NODE_H
#define OVIO_COMMON_NODE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Lives inside an op or a task. In one queue at a time. */
struct node {
  struct node *next;
  void (*run)(struct node *node);
};

/* The object that a node, timer or io is a member of. */
#define CONTAINER_OF(pointer, type, member)                                    \
  ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* First in, first out; one thread, or under a lock. Zeroed is empty. */
struct queue {
  struct node *head;
  struct node *tail; /* valid while head is not NULL */
};

static inline void queue_push(struct queue *queue, struct node *node) {
  node->next = NULL;
  if (queue->head)
    queue->tail->next = node;
  else
    queue->head = node;
  queue->tail = node;
}

/* NULL: empty. */
static inline struct node *queue_pop(struct queue *queue) {
  struct node *node = queue->head;
  if (node)
    queue->head = node->next;
  return node;
}

/* Moves all of `from` to the end of `to`. */
void queue_append(struct queue *to, struct queue *from);
/* Takes a node out of the middle; false when it is not there. */
bool queue_remove(struct queue *queue, struct node *node);

/* Many threads push, one takes all. Zeroed is empty. Lock-free: pushing is a
 * compare-and-swap of the head, and taking exchanges the whole list, so that a
 * node that comes back (ABA) does no harm. */
struct inbox {
  struct node *_Atomic head;
};

void inbox_push(struct inbox *inbox, struct node *node);
bool inbox_is_empty(struct inbox *inbox);
/* Appends everything to `queue`, in the order in which it was pushed. */
void inbox_take(struct inbox *inbox, struct queue *queue);

#endif
