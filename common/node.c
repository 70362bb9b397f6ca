/* SPDX-License-Identifier: MIT */
/* Nodes: what a loop can be asked to run, and the queues they travel in. */
#include "common/node.h"

void queue_append(struct queue *to, struct queue *from) {
  if (!from->head)
    return;
  if (to->head)
    to->tail->next = from->head;
  else
    to->head = from->head;
  to->tail = from->tail;
  from->head = NULL;
}

bool queue_remove(struct queue *queue, struct node *node) {
  struct node *before = NULL;
  for (struct node *at = queue->head; at; before = at, at = at->next) {
    if (at != node)
      continue;
    if (before)
      before->next = node->next;
    else
      queue->head = node->next;
    if (queue->tail == node)
      queue->tail = before;
    return true;
  }
  return false;
}

void inbox_push(struct inbox *inbox, struct node *node) {
  struct node *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
  do
    node->next = head;
  while (!atomic_compare_exchange_weak(&inbox->head, &head, node));
}

bool inbox_is_empty(struct inbox *inbox) {
  return atomic_load(&inbox->head) == NULL;
}

void inbox_take(struct inbox *inbox, struct queue *queue) {
  if (inbox_is_empty(inbox))
    return; /* the exchange below costs as much as a switch of stacks */
  struct node *newest = atomic_exchange(&inbox->head, NULL);
  struct queue taken = {.tail = newest};
  while (newest) {
    struct node *next = newest->next;
    newest->next = taken.head;
    taken.head = newest;
    newest = next;
  }
  queue_append(queue, &taken);
}
