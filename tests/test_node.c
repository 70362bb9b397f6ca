/* SPDX-License-Identifier: MIT */
/* The queue and the inbox, against an array that does the same. */
#include "common/node.h"

#include "scene.h"

struct item {
  struct node node;
  int number;
};

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

static void test_queue_is_fifo(struct test *test) {
  struct queue queue = {0};
  struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
  TRY(queue_pop(&queue) == NULL);
  for (int at = 0; at < 3; at++)
    queue_push(&queue, &items[at].node);
  for (int at = 0; at < 3; at++)
    TRY(queue_pop(&queue) == &items[at].node);
  TRY(queue_pop(&queue) == NULL);
  queue_push(&queue, &items[1].node);
  TRY(queue_pop(&queue) == &items[1].node);
}

static void test_queue_remove_at_each_place(struct test *test) {
  enum { COUNT = 4 };
  struct item items[COUNT + 1] = {0};
  for (int gone = 0; gone < COUNT; gone++) {
    struct queue queue = {0};
    for (int at = 0; at < COUNT; at++)
      queue_push(&queue, &items[at].node);
    TRY(!queue_remove(&queue, &items[COUNT].node));
    TRY(queue_remove(&queue, &items[gone].node));
    TRY(!queue_remove(&queue, &items[gone].node));
    queue_push(&queue, &items[COUNT].node);
    for (int at = 0; at <= COUNT; at++) {
      if (at != gone)
        TRY(queue_pop(&queue) == &items[at].node);
    }
    TRY(queue_pop(&queue) == NULL);
  }
}

static void test_queue_remove_the_only_one(struct test *test) {
  struct queue queue = {0};
  struct item items[2] = {0};
  TRY(!queue_remove(&queue, &items[0].node));
  queue_push(&queue, &items[0].node);
  TRY(queue_remove(&queue, &items[0].node));
  TRY(queue_pop(&queue) == NULL);
  queue_push(&queue, &items[1].node);
  TRY(queue_pop(&queue) == &items[1].node);
}

static void test_queue_append(struct test *test) {
  struct queue to = {0};
  struct queue from = {0};
  struct item items[4] = {0};
  queue_append(&to, &from);
  TRY(queue_pop(&to) == NULL);
  queue_push(&from, &items[0].node);
  queue_push(&from, &items[1].node);
  queue_append(&to, &from);
  TRY(from.head == NULL);
  queue_push(&from, &items[2].node);
  queue_append(&to, &from);
  queue_append(&to, &from);
  queue_push(&to, &items[3].node);
  for (int at = 0; at < 4; at++)
    TRY(queue_pop(&to) == &items[at].node);
  TRY(queue_pop(&to) == NULL);
}

/* What the queue should be. */
struct model {
  int numbers[64];
  int count;
};

static void model_remove(struct model *model, int at) {
  model->count--;
  memmove(&model->numbers[at], &model->numbers[at + 1],
          sizeof model->numbers[0] * (size_t)(model->count - at));
}

static int model_find(const struct model *model, int number) {
  int at = 0;
  while (at < model->count && model->numbers[at] != number)
    at++;
  return at;
}

static void compare(struct test *test, const struct queue *queue,
                    const struct model *model) {
  int at = 0;
  for (const struct node *node = queue->head; node; node = node->next) {
    TRY(at < model->count);
    TRY_EQ(CONTAINER_OF(node, struct item, node)->number, model->numbers[at]);
    at++;
  }
  TRY_EQ(at, model->count);
}

static void test_queue_against_a_model(struct test *test) {
  enum { ITEMS = 64, ROUNDS = 20000 };
  struct item items[ITEMS] = {0};
  struct queue queue = {0};
  struct model model = {.count = 0};
  uint32_t random = 20260101;
  for (int at = 0; at < ITEMS; at++)
    items[at].number = at;
  for (int round = 0; round < ROUNDS && !test->failure[0]; round++) {
    int number = (int)(next_random(&random) % ITEMS);
    int at = model_find(&model, number);
    if (at == model.count && next_random(&random) % 4) {
      queue_push(&queue, &items[number].node);
      model.numbers[model.count++] = number;
    } else if (next_random(&random) % 2) {
      TRY(queue_remove(&queue, &items[number].node) == (at < model.count));
      if (at < model.count)
        model_remove(&model, at);
    } else {
      struct node *node = queue_pop(&queue);
      TRY((node != NULL) == (model.count > 0));
      if (node)
        model_remove(&model, 0);
    }
    compare(test, &queue, &model);
  }
}

static void test_inbox_keeps_the_order(struct test *test) {
  struct inbox inbox = {NULL};
  struct queue queue = {0};
  struct item items[6] = {0};
  TRY(inbox_is_empty(&inbox));
  inbox_take(&inbox, &queue);
  TRY(queue_pop(&queue) == NULL);
  queue_push(&queue, &items[0].node);
  for (int at = 1; at < 5; at++)
    inbox_push(&inbox, &items[at].node);
  TRY(!inbox_is_empty(&inbox));
  inbox_take(&inbox, &queue);
  TRY(inbox_is_empty(&inbox));
  inbox_push(&inbox, &items[5].node);
  for (int at = 0; at < 5; at++)
    TRY(queue_pop(&queue) == &items[at].node);
  TRY(queue_pop(&queue) == NULL);
  inbox_take(&inbox, &queue);
  TRY(queue_pop(&queue) == &items[5].node);
}

enum { PUSHERS = 4, PUSHES = 5000 };

struct pusher {
  struct os_thread thread;
  struct inbox *inbox;
  struct item *items;
};

static void push_all(void *argument) {
  struct pusher *self = argument;
  for (int at = 0; at < PUSHES; at++)
    inbox_push(self->inbox, &self->items[at].node);
}

/* Takes until all have come; each thread's must come in its order. */
static void take_all(struct test *test, struct inbox *inbox) {
  struct queue queue = {0};
  int next[PUSHERS] = {0};
  int taken = 0;
  while (taken < PUSHERS * PUSHES) {
    inbox_take(inbox, &queue);
    struct node *node;
    while ((node = queue_pop(&queue))) {
      int number = CONTAINER_OF(node, struct item, node)->number;
      TRY_EQ(number % PUSHES, next[number / PUSHES]);
      next[number / PUSHES]++;
      taken++;
    }
    os_thread_yield();
  }
  TRY(inbox_is_empty(inbox));
}

static void test_inbox_from_many_threads(struct test *test) {
  struct inbox inbox = {NULL};
  struct pusher pushers[PUSHERS] = {0};
  struct item *items = calloc(PUSHERS * PUSHES, sizeof *items);
  TRY(items);
  for (int at = 0; at < PUSHERS * PUSHES; at++)
    items[at].number = at;
  int error = 0;
  for (int at = 0; at < PUSHERS; at++) {
    pushers[at].inbox = &inbox;
    pushers[at].items = &items[at * PUSHES];
    error |= os_thread_start(&pushers[at].thread, push_all, &pushers[at]);
  }
  TRY_EQ(error, 0);
  take_all(test, &inbox);
  for (int at = 0; at < PUSHERS; at++)
    os_thread_join(&pushers[at].thread);
  free(items);
}

int main(void) {
  static const char *const why = "no file and no loop";
  const struct test_case cases[] = {
      TEST_PLAIN(test_queue_is_fifo, why),
      TEST_PLAIN(test_queue_remove_at_each_place, why),
      TEST_PLAIN(test_queue_remove_the_only_one, why),
      TEST_PLAIN(test_queue_append, why),
      TEST_PLAIN(test_queue_against_a_model, why),
      TEST_PLAIN(test_inbox_keeps_the_order, why),
      TEST_PLAIN(test_inbox_from_many_threads, why),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
