/* SPDX-License-Identifier: MIT */
/* Many at one file's position: they go one after the other, in order of
 * arrival, and no byte is lost, doubled or torn. */
#include "files.h"
#include "scene.h"

enum { CREW = 6, ROUNDS = 300, PARTS_MAX = 4 };

struct record {
  uint32_t who;
  uint32_t number;
  uint32_t length; /* of the record, in words */
  uint32_t check;
};

struct worker {
  struct partner partner;
  struct ovio_file *file;
  uint32_t who;
  int rounds;
  int64_t moved;
  uint32_t *seen; /* a reader's: how often each word was read */
  size_t words;
  char failure[80];
};

/* Plain threads on one side, a loop's tasks on the other, as the mode says; in
 * `mixed` a loop of its own beside plain threads. */
static bool crew_start(struct test *test, struct worker *crew,
                       void (*body)(void *)) {
  for (uint32_t who = 0; who < CREW; who++) {
    if (partner_start(&crew[who].partner, test, body, &crew[who]) != 0)
      return false;
  }
  return true;
}

static void crew_end(struct worker *crew) {
  for (int who = 0; who < CREW; who++)
    partner_end(&crew[who].partner);
}

static void crew_init(struct worker *crew, struct ovio_file *file, int rounds) {
  for (uint32_t who = 0; who < CREW; who++)
    crew[who] = (struct worker){.file = file, .who = who, .rounds = rounds};
}

/* ---- writers ---- */

static uint32_t record_check(const struct record *record) {
  return (record->who * 31 + record->number) * 31 + record->length;
}

/* A record of 4 to 20 words, by write or by writev. */
static int64_t write_record(struct worker *self, uint32_t number) {
  uint32_t words[20];
  struct record head = {self->who, number, 4 + (number * 7 + self->who) % 17,
                        0};
  head.check = record_check(&head);
  memcpy(words, &head, sizeof head);
  for (uint32_t at = 4; at < head.length; at++)
    words[at] = head.check + at;
  size_t length = head.length * sizeof *words;
  self->moved += (int64_t)length;
  if (number % 2)
    return ovio_write(self->file, words, length, OVIO_HERE) - (int64_t)length;
  struct ovio_iovec parts[3] = {
      {words, 8}, {words, 0}, {words + 2, length - 8}};
  return ovio_writev(self->file, parts, 3, OVIO_HERE) - (int64_t)length;
}

static void writer(void *argument) {
  struct worker *self = argument;
  for (int round = 0; round < self->rounds && !self->failure[0]; round++) {
    int64_t wrong = write_record(self, (uint32_t)round);
    if (wrong != 0)
      snprintf(self->failure, sizeof self->failure, "write %d is off by %lld",
               round, (long long)wrong);
  }
}

static int64_t crew_moved(const struct worker *crew) {
  int64_t moved = 0;
  for (int who = 0; who < CREW; who++)
    moved += crew[who].moved;
  return moved;
}

/* Record after record, without a gap; each writer's in its own order. */
static void check_records(struct test *test, struct ovio_file *file,
                          const struct worker *crew) {
  uint32_t next[CREW] = {0};
  uint32_t words[20];
  int64_t at = 0;
  int64_t total = crew_moved(crew);
  for (int who = 0; who < CREW; who++)
    TRY_EQ(crew[who].failure[0], 0);
  TRY_EQ(ovio_size(file), total);
  TRY_EQ(ovio_seek(file, 0, SEEK_CUR), total);
  while (at < total) {
    struct record head;
    TRY_EQ(ovio_read(file, &head, sizeof head, at), sizeof head);
    TRY(head.who < CREW && head.length >= 4 && head.length <= 20);
    TRY(head.check == record_check(&head));
    TRY_EQ(head.number, next[head.who]++);
    size_t length = head.length * sizeof *words;
    TRY_EQ(ovio_read(file, words, length, at), length);
    for (uint32_t word = 4; word < head.length; word++)
      TRY_EQ(words[word], head.check + word);
    at += (int64_t)length;
  }
}

static void test_writers_at_one_position(struct test *test) {
  struct ovio_file file;
  struct worker crew[CREW];
  TRY_EQ(files_make(&file, "writers", 0), 0);
  crew_init(crew, &file, scene_rounds(ROUNDS));
  TRY(crew_start(test, crew, writer));
  crew_end(crew);
  check_records(test, &file, crew);
  TRY_EQ(ovio_close(&file), 0);
}

/* Several system calls each: the turn is kept for all of them. */
static void test_writers_in_chunks(struct test *test) {
  struct ovio_file file;
  struct worker crew[CREW];
  TRY_EQ(files_make(&file, "writers", 0), 0);
  crew_init(crew, &file, scene_rounds(ROUNDS) / 3);
  ovio_set_max_transfer(12);
  TRY(crew_start(test, crew, writer));
  crew_end(crew);
  ovio_set_max_transfer(0);
  check_records(test, &file, crew);
  TRY_EQ(ovio_close(&file), 0);
}

static void test_writers_on_an_adopted_handle(struct test *test) {
  struct ovio_file file;
  struct worker crew[CREW];
  const char *path = test_path("writers");
  TRY(test_put(path, "", 0));
  TRY_EQ(files_open(&file, path, FORM_ADOPTED), 0);
  crew_init(crew, &file, scene_rounds(ROUNDS));
  TRY(crew_start(test, crew, writer));
  crew_end(crew);
  check_records(test, &file, crew);
  TRY_EQ(ovio_close(&file), 0);
}

/* Plain threads and the tasks of a running loop, all on one file. */
static void test_threads_and_tasks_at_one_position(struct test *test) {
  struct ovio_loop *loop;
  struct loop_thread thread;
  struct ovio_file file;
  struct worker crew[CREW];
  struct test in_loop = {.mode = test->mode};
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "mixed", 0), 0);
  crew_init(crew, &file, scene_rounds(ROUNDS));
  TRY(loop_thread_start(&thread, loop));
  for (int who = 0; who < CREW; who++) {
    if (who % 2)
      TRY_EQ(ovio_spawn(loop, writer, &crew[who]), 0);
    else
      TRY_EQ(partner_start(&crew[who].partner, &in_loop, writer, &crew[who]),
             0);
  }
  for (int who = 0; who < CREW; who += 2)
    partner_end(&crew[who].partner);
  TRY_EQ(loop_thread_end(&thread), 0);
  check_records(test, &file, crew);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* ---- readers ---- */

enum { WORDS = 4000 };

/* Takes some words at a time: they must follow each other. */
static int64_t read_words(struct worker *self, int round, uint32_t *words) {
  struct ovio_iovec parts[PARTS_MAX];
  size_t count = 1 + (size_t)round % PARTS_MAX;
  uint32_t *at = words;
  for (size_t part = 0; part < count; part++) {
    size_t length = (part + (size_t)round + self->who) % 5;
    parts[part] = (struct ovio_iovec){at, length * sizeof *words};
    at += length;
  }
  if (at == words)
    parts[0].iov_len = sizeof *words;
  return ovio_readv(self->file, parts, count, OVIO_HERE);
}

static bool note_words(struct worker *self, const uint32_t *words,
                       size_t count) {
  for (size_t at = 0; at < count; at++) {
    if (words[at] != words[0] + at || words[at] >= self->words)
      return false;
    self->seen[words[at]]++;
  }
  return true;
}

static void reader(void *argument) {
  struct worker *self = argument;
  uint32_t words[5 * PARTS_MAX];
  for (int round = 0; round < 2 * WORDS && !self->failure[0]; round++) {
    int64_t got = read_words(self, round, words);
    if (got == 0)
      return;
    size_t count = got < 0 ? 0 : (size_t)got / sizeof *words;
    if (got < 0 || (size_t)got % sizeof *words != 0 ||
        !note_words(self, words, count))
      snprintf(self->failure, sizeof self->failure, "read %d: %lld", round,
               (long long)got);
    self->moved += got;
  }
}

static void test_readers_at_one_position(struct test *test) {
  struct ovio_file file;
  struct worker crew[CREW];
  uint32_t *seen = calloc((CREW + 1) * WORDS, sizeof *seen);
  TRY(seen);
  uint32_t *words = seen + CREW * WORDS;
  for (uint32_t at = 0; at < WORDS; at++)
    words[at] = at;
  TRY(test_put(test_path("readers"), words, WORDS * sizeof *words));
  for (int form = 0; form < FORM_COUNT; form++) {
    memset(seen, 0, CREW * WORDS * sizeof *seen);
    TRY_EQ(files_open(&file, test_path("readers"), (enum form)form), 0);
    crew_init(crew, &file, 0);
    for (int who = 0; who < CREW; who++) {
      crew[who].seen = seen + who * WORDS;
      crew[who].words = WORDS;
    }
    TRY(crew_start(test, crew, reader));
    crew_end(crew);
    for (int who = 0; who < CREW; who++)
      TRY_EQ(crew[who].failure[0], 0);
    TRY_EQ(crew_moved(crew), WORDS * sizeof *words);
    for (int at = 0; at < WORDS; at++) {
      uint32_t times = 0;
      for (int who = 0; who < CREW; who++)
        times += seen[who * WORDS + at];
      TRY_EQ(times, 1);
    }
    TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), WORDS * sizeof *words);
    TRY_EQ(ovio_close(&file), 0);
  }
  free(seen);
}

/* ---- order ---- */

struct letter {
  struct ovio_file *file;
  char text;
};

static void write_letter(void *argument) {
  struct letter *letter = argument;
  ovio_write(letter->file, &letter->text, 1, OVIO_HERE);
}

/* Who came first goes first. */
static void test_order_of_arrival(struct test *test) {
  ONE_THREAD("it is about what one thread does after the other");
  enum { LETTERS = 26 };
  struct letter letters[LETTERS];
  struct ovio_file file;
  struct ovio_group group;
  char text[LETTERS];
  TRY_EQ(files_make(&file, "order", 0), 0);
  ovio_group_init(&group);
  for (int at = 0; at < LETTERS; at++) {
    letters[at] = (struct letter){&file, (char)('a' + at)};
    TRY_EQ(ovio_group_spawn(&group, test->loop, write_letter, &letters[at]), 0);
  }
  TRY_EQ(ovio_group_wait(&group), 0);
  TRY_EQ(ovio_read(&file, text, LETTERS, 0), LETTERS);
  TRY(memcmp(text, "abcdefghijklmnopqrstuvwxyz", LETTERS) == 0);
  TRY_EQ(ovio_close(&file), 0);
}

/* Callbacks are started all at once: each takes its place at once, and seeks
 * wait for those before them. */
static void test_order_of_started_operations(struct test *test) {
  enum { LETTERS = 26 };
  struct outcome outcomes[LETTERS];
  struct ovio_loop *loop;
  struct ovio_file file;
  char text[2 * LETTERS];
  memset(outcomes, 0, sizeof outcomes);
  TRY_EQ(test_loop_create(test, &loop, NULL), 0);
  TRY_EQ(files_make(&file, "order", 0), 0);
  for (int at = 0; at < LETTERS; at++)
    TRY_EQ(ovio_start_write(loop, &outcomes[at].op, &file,
                            &"abcdefghijklmnopqrstuvwxyz"[at], 1, OVIO_HERE,
                            outcome_done),
           0);
  TRY_EQ(ovio_loop_run(loop), 0);
  for (int at = 0; at < LETTERS; at++) {
    TRY_EQ(outcomes[at].calls, 1);
    TRY_EQ(outcomes[at].result, 1);
  }
  TRY_EQ(ovio_seek(&file, 0, SEEK_CUR), LETTERS);
  TRY_EQ(ovio_read(&file, text, sizeof text, 0), LETTERS);
  TRY(memcmp(text, "abcdefghijklmnopqrstuvwxyz", LETTERS) == 0);
  TRY_EQ(ovio_close(&file), 0);
  TRY_EQ(ovio_loop_destroy(loop), 0);
}

/* Positional calls in between need no turn and move nothing. */
struct bystander {
  struct partner partner;
  struct ovio_file *file;
  atomic_bool over;
  int failures;
};

static void read_elsewhere(void *argument) {
  struct bystander *self = argument;
  char byte;
  while (!atomic_load(&self->over)) {
    self->failures += ovio_read(self->file, &byte, 1, 0) < 0;
    ovio_sleep(100000);
  }
}

static void test_positional_reads_beside_writers(struct test *test) {
  struct ovio_file file;
  struct worker crew[CREW];
  TRY_EQ(files_make(&file, "beside", 0), 0);
  struct bystander bystander = {.file = &file};
  crew_init(crew, &file, scene_rounds(ROUNDS));
  TRY_EQ(partner_start(&bystander.partner, test, read_elsewhere, &bystander),
         0);
  TRY(crew_start(test, crew, writer));
  crew_end(crew);
  atomic_store(&bystander.over, true);
  partner_end(&bystander.partner);
  TRY_EQ(bystander.failures, 0);
  check_records(test, &file, crew);
  TRY_EQ(ovio_close(&file), 0);
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_writers_at_one_position),
      TEST(test_writers_in_chunks),
      TEST(test_writers_on_an_adopted_handle),
      TEST_ENGINES(test_threads_and_tasks_at_one_position),
      TEST(test_readers_at_one_position),
      TEST_LOOP(test_order_of_arrival, "tasks arrive one by one"),
      TEST_ENGINES(test_order_of_started_operations),
      TEST(test_positional_reads_beside_writers),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
