/* SPDX-License-Identifier: MIT */
#include "children.h"
#include "faults/faults.h"
#include "faults/scenes.h"

/* Goes on only if the call succeeds... */
#define DO(call)                                                               \
  do {                                                                         \
    int64_t result_ = (int64_t)(call);                                         \
    if (result_ < 0)                                                           \
      return result_;                                                          \
  } while (0)
/* ...and answers that. */
#define GET(call, wanted)                                                      \
  do {                                                                         \
    int64_t result_ = (int64_t)(call);                                         \
    if (result_ < 0)                                                           \
      return result_;                                                          \
    if (result_ != (int64_t)(wanted))                                          \
      return result_ < (int64_t)(wanted) ? FAULT_SCENE_SHORT : __LINE__;       \
  } while (0)
#define SAME(condition)                                                        \
  do {                                                                         \
    if (!(condition))                                                          \
      return __LINE__;                                                         \
  } while (0)

enum { MADE = OVIO_READ | OVIO_WRITE | OVIO_CREATE | OVIO_TRUNCATE };

/* Both were called. */
static int64_t first_of(int64_t result, int64_t closing) {
  return result ? result : closing;
}

static const char *in(const char *folder, const char *name) {
  static char paths[4][1200];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

/* ---- files ---- */

static int64_t use_file(struct ovio_file *file) {
  char text[16];
  struct ovio_stat stat;
  struct ovio_iovec parts[2] = {{text, 2}, {text + 2, 4}};
  GET(ovio_write(file, "012345", 6, 0), 6);
  GET(ovio_read(file, text, sizeof text, 0), 6);
  SAME(memcmp(text, "012345", 6) == 0);
  memcpy(text, "abcdef", 6);
  GET(ovio_writev(file, parts, 2, OVIO_HERE), 6);
  DO(ovio_seek(file, 0, SEEK_SET));
  GET(ovio_readv(file, parts, 2, OVIO_HERE), 6);
  SAME(memcmp(text, "abcdef", 6) == 0);
  GET(ovio_seek(file, 0, SEEK_END), 6);
  DO(ovio_truncate(file, 3));
  GET(ovio_size(file), 3);
  DO(ovio_stat(file, &stat));
  SAME(stat.size == 3);
  DO(ovio_set_times(file, 1000000000, 2000000000));
  DO(ovio_sync(file, 0));
  DO(ovio_sync(file, OVIO_DATA_ONLY));
  DO(ovio_lock(file, 0, 10, 0));
  DO(ovio_unlock(file, 0, 10));
  return 0;
}

static int64_t play_file(const char *folder) {
  struct ovio_file file;
  DO(ovio_open(&file, in(folder, "file"), MADE, 0600));
  int64_t result = use_file(&file);
  return first_of(result, ovio_close(&file));
}

static int64_t copy_there(struct ovio_file *from, const char *path) {
  struct ovio_file to;
  char text[8];
  DO(ovio_open(&to, path, MADE, 0600));
  int64_t moved = ovio_copy(from, 0, &to, 0, INT64_MAX);
  int64_t got = moved == 6 ? ovio_read(&to, text, sizeof text, 0) : 6;
  int closing = ovio_close(&to);
  GET(moved, 6);
  GET(got, 6);
  return closing;
}

static int64_t play_copy(const char *folder) {
  struct ovio_file from;
  DO(ovio_open(&from, in(folder, "from"), MADE, 0600));
  int64_t result = ovio_write(&from, "012345", 6, 0);
  if (result == 6)
    result = copy_there(&from, in(folder, "to"));
  else if (result >= 0)
    result = FAULT_SCENE_SHORT;
  return first_of(result, ovio_close(&from));
}

static int64_t use_appending(struct ovio_file *file) {
  char text[8];
  GET(ovio_write(file, "ab", 2, OVIO_HERE), 2);
  GET(ovio_write(file, "cd", 2, 0), 2);
  GET(ovio_read(file, text, sizeof text, 0), 4);
  SAME(memcmp(text, "abcd", 4) == 0);
  return 0;
}

static int64_t play_append(const char *folder) {
  struct ovio_file file;
  DO(ovio_open(&file, in(folder, "log"), MADE | OVIO_APPEND, 0600));
  int64_t result = use_appending(&file);
  return first_of(result, ovio_close(&file));
}

/* ---- directories and paths ---- */

static int64_t walk(struct ovio_file *dir, const char *wanted) {
  uint64_t buffer[4096];
  struct ovio_dir steps;
  struct ovio_entry entry;
  DO(ovio_dir_begin(&steps, dir, buffer, sizeof buffer));
  int64_t result = ovio_dir_next(&steps, &entry);
  bool same = result == 1 && strcmp(entry.name, wanted) == 0;
  if (result == 1)
    result = ovio_dir_next(&steps, &entry);
  ovio_dir_end(&steps);
  DO(result);
  SAME(same && result == 0);
  return 0;
}

static int64_t use_paths(struct ovio_file *dir) {
  struct ovio_file file;
  struct ovio_stat stat;
  char text[2000];
  DO(ovio_openat(&file, dir, "one", MADE | OVIO_BENEATH, 0600));
  DO(ovio_close(&file));
  DO(walk(dir, "one"));
  DO(ovio_rename(dir, "one", dir, "two", 0));
  DO(ovio_access(dir, "two", OVIO_READ));
  DO(ovio_set_mode(dir, "two", 0600));
  DO(ovio_set_times_at(dir, "two", OVIO_TIME_KEEP, 1000000000));
  DO(ovio_stat_at(dir, "two", 0, &stat));
  SAME(stat.type == OVIO_TYPE_FILE && stat.size == 0);
  DO(ovio_realpath(dir, "two", text, sizeof text));
  DO(ovio_link(dir, "two", dir, "three"));
  DO(ovio_unlink(dir, "two"));
  DO(ovio_unlink(dir, "three"));
  return 0;
}

static int64_t play_paths(const char *folder) {
  struct ovio_file dir;
  const char *path = in(folder, "folder");
  DO(ovio_mkdir(NULL, path, 0700));
  DO(ovio_open(&dir, path, OVIO_READ | OVIO_DIRECTORY, 0));
  int64_t result = use_paths(&dir);
  DO(first_of(result, ovio_close(&dir)));
  return ovio_rmdir(NULL, path);
}

static int64_t play_links(const char *folder) {
  char text[1200];
  const char *path = in(folder, "link");
  if (!test_make_link("target", path, false))
    return 0; /* this system has none for us */
  test_remove(path);
  DO(ovio_symlink("target", NULL, path, 0));
  GET(ovio_readlink(NULL, path, text, sizeof text), 6);
  SAME(strcmp(text, "target") == 0);
  return ovio_unlink(NULL, path);
}

static int64_t play_temporary(const char *folder) {
  struct ovio_file file;
  char name[1300];
  DO(ovio_temp_file(&file, NULL, in(folder, "t"), 0, name, sizeof name));
  DO(ovio_close(&file));
  DO(ovio_unlink(NULL, name));
  DO(ovio_temp_dir(NULL, in(folder, "d"), name, sizeof name));
  DO(ovio_rmdir(NULL, name));
  DO(ovio_temp_path(name, sizeof name));
  return 0;
}

static int64_t play_whole(const char *folder) {
  const char *path = in(folder, "whole");
  void *data = NULL;
  size_t length = 0;
  DO(ovio_write_file(NULL, path, "old", 3, 0600));
  int64_t result = ovio_replace_file(NULL, path, "newer", 5, 0600);
  int64_t got = ovio_read_file(NULL, path, 100, &data, &length);
  bool same =
      got != 0 || (result == 0 ? length == 5 && !memcmp(data, "newer", 5)
                               : length == 3 || length == 5);
  if (got == 0)
    ovio_free(data);
  DO(result);
  DO(got);
  SAME(same);
  return 0;
}

/* Under its name is the whole copy, or nothing. */
static int64_t play_copy_file(const char *folder) {
  void *data = NULL;
  size_t length = 0;
  const char *from = in(folder, "from");
  const char *to = in(folder, "to");
  DO(ovio_write_file(NULL, from, "012345", 6, 0600));
  int64_t copied = ovio_copy_file(NULL, from, NULL, to, OVIO_EXCLUSIVE);
  int64_t got = ovio_read_file(NULL, to, 100, &data, &length);
  bool same = got != 0 || (length == 6 && !memcmp(data, "012345", 6));
  if (got == 0)
    ovio_free(data);
  SAME(same);
  GET(copied, 6);
  return got;
}

static int64_t use_streams(struct ovio_file *file) {
  char buffer[64];
  char line[16];
  struct ovio_writer writer;
  struct ovio_reader reader;
  DO(ovio_writer_init(&writer, file, buffer, sizeof buffer, 0));
  DO(ovio_print(&writer, "%s %d\n", "line", 1));
  DO(ovio_put_u32(&writer, 0x01020304, OVIO_BIG));
  DO(ovio_flush(&writer));
  DO(ovio_reader_init(&reader, file, buffer, sizeof buffer, 0));
  GET(ovio_get_line(&reader, line, sizeof line), 6);
  SAME(strcmp(line, "line 1") == 0);
  uint32_t value;
  DO(ovio_get_u32(&reader, &value, OVIO_BIG));
  SAME(value == 0x01020304);
  return 0;
}

static int64_t play_streams(const char *folder) {
  struct ovio_file file;
  DO(ovio_open(&file, in(folder, "stream"), MADE, 0600));
  int64_t result = use_streams(&file);
  return first_of(result, ovio_close(&file));
}

/* ---- pipes and readiness ---- */

struct reader {
  struct ovio_file *in;
  int64_t result;
  char text[4];
};

static void read_all(void *argument) {
  struct reader *reader = argument;
  reader->result = ovio_read(reader->in, reader->text, 4, OVIO_HERE);
}

/* In a task the read comes first, and waits. */
static int64_t through_pipe(struct ovio_file ends[2], bool *closed) {
  struct reader reader = {.in = &ends[0]};
  struct ovio_group group;
  int64_t began = 1;
  if (ovio_loop_current()) {
    ovio_group_init(&group);
    began = ovio_group_spawn(&group, ovio_loop_current(), read_all, &reader);
    ovio_yield();
  }
  int64_t sent = ovio_write(&ends[1], "text", 4, OVIO_HERE);
  int64_t closing = ovio_close(&ends[1]);
  *closed = true;
  if (began == 0)
    ovio_group_wait(&group);
  else
    read_all(&reader);
  GET(sent, 4);
  DO(began);
  GET(reader.result, 4);
  SAME(memcmp(reader.text, "text", 4) == 0);
  return closing;
}

static int64_t play_pipe(const char *folder) {
  struct ovio_file ends[2];
  bool closed = false;
  (void)folder;
  DO(ovio_pipe(ends, 0));
  int64_t result = through_pipe(ends, &closed);
  int64_t first = closed ? 0 : ovio_close(&ends[1]);
  return first_of(first_of(result, first), ovio_close(&ends[0]));
}

static int64_t serve(struct ovio_file *listener, const char *name) {
  struct ovio_file ends[2];
  bool closed = false;
  DO(ovio_pipe_connect(&ends[0], name, 0));
  int64_t result = ovio_pipe_accept(listener, &ends[1]);
  if (result == 0)
    result = through_pipe(ends, &closed);
  return first_of(result, ovio_close(&ends[0]));
}

static int64_t play_named_pipe(const char *folder) {
  struct ovio_file listener;
  char name[64];
  uint64_t random = 0;
  (void)folder;
  DO(os_random(&random, sizeof random));
  snprintf(name, sizeof name, "ovio-fault-%016llx", (unsigned long long)random);
  DO(ovio_pipe_listen(&listener, name, 0));
  int64_t result = serve(&listener, name);
  return first_of(result, ovio_close(&listener));
}

static int64_t play_sockets(const char *folder) {
  ovio_handle handles[2];
  struct ovio_file ends[2];
  bool closed = false;
  (void)folder;
  SAME(test_socket_pair(handles));
  int64_t ready = ovio_wait_writable(handles[1]);
  int64_t second = OVIO_EBADF;
  int64_t result = ovio_adopt(&ends[0], handles[0], OVIO_READ | OVIO_WRITE);
  if (result == 0)
    second = ovio_adopt(&ends[1], handles[1], OVIO_READ | OVIO_WRITE);
  if (second == 0)
    result = through_pipe(ends, &closed);
  int64_t closing = result == 0 || second != OVIO_EBADF
                        ? ovio_close(&ends[0])
                        : (test_close_handle(handles[0]), 0);
  if (second != 0)
    test_close_handle(handles[1]);
  DO(ready);
  if (second != OVIO_EBADF)
    DO(second);
  return first_of(result, closing);
}

/* ---- child processes ---- */

static int64_t play_process(const char *folder) {
  struct child child;
  struct ovio_process process;
  struct ovio_exit how;
  (void)folder;
  child_prepare(&child, "exit", "3", NULL);
  child.options.output.kind = OVIO_PROCESS_IGNORE;
  DO(ovio_spawn_process(&process, &child.options));
  int64_t waited = ovio_process_wait(&process, &how);
  if (waited < 0) { /* a child that is not waited for is freed later */
    fault_off();
    memory_fail_at = 0;
    SAME(ovio_process_wait(&process, &how) == 0);
  }
  int64_t killed = ovio_process_kill(&process, OVIO_KILL_FORCE);
  int64_t closing = ovio_process_close(&process);
  DO(waited);
  DO(closing);
  SAME(killed == OVIO_ENOENT || fault_struck()); /* it has ended */
  SAME(how.code == 3 && how.signal == 0);
  return 0;
}

static int64_t play_run(const char *folder) {
  struct child child;
  struct ovio_output output;
  (void)folder;
  child_prepare(&child, "say", "out", "err");
  int64_t result = ovio_run(&child.options, &output);
  bool same = output.exit.code == 0 && output.output_length == 3 &&
              output.error_length == 3 && strcmp(output.output, "out") == 0;
  ovio_free(output.output); /* in any case */
  ovio_free(output.error);
  DO(result);
  SAME(same);
  return 0;
}

/* ---- watches ---- */

static int64_t use_watch(struct ovio_watch *watch, const char *folder) {
  struct ovio_file file;
  struct ovio_event event;
  int64_t number = ovio_watch_add(watch, folder, 0, NULL);
  DO(number);
  DO(ovio_open(&file, in(folder, "watched"), MADE, 0600));
  DO(ovio_close(&file));
  DO(ovio_watch_next(watch, &event));
  SAME(event.number == number);
  return ovio_watch_remove(watch, (int)number);
}

static int64_t play_watch(const char *folder) {
  struct ovio_watch *watch;
  DO(ovio_watch_create(&watch));
  int64_t result = use_watch(watch, folder);
  return first_of(result, ovio_watch_close(watch));
}

/* ---- loops and tasks ---- */

struct crowd {
  struct ovio_file *file;
  _Atomic int64_t result; /* the first error */
};

static void member(void *argument) {
  struct crowd *crowd = argument;
  char text[4];
  int64_t result = ovio_sleep(1000);
  if (result == 0)
    result = ovio_read(crowd->file, text, 4, 0);
  int64_t none = 0;
  if (result != 4)
    atomic_compare_exchange_strong(&crowd->result, &none,
                                   result < 0 ? result : FAULT_SCENE_SHORT);
}

static int64_t crowd_meets(struct ovio_loop *loop, struct crowd *crowd) {
  struct outcome post = {.calls = 0};
  int64_t result = 0;
  for (int at = 0; at < 4 && result == 0; at++)
    result = ovio_spawn(loop, member, crowd);
  int64_t posted = ovio_post(loop, &post.op, outcome_done);
  int64_t ran = ovio_loop_run(loop);
  if (ran < 0) { /* what is left must get done */
    fault_off();
    memory_fail_at = 0;
    SAME(ovio_loop_run(loop) == 0);
  }
  DO(result);
  DO(posted);
  DO(ran);
  SAME(post.calls == 1);
  return crowd->result;
}

/* From another thread than a loop's. */
static int64_t play_loop(const char *folder) {
  struct ovio_file file;
  struct ovio_loop *loop;
  if (ovio_loop_current())
    return 0;
  const struct ovio_loop_options options = {.size = sizeof options,
                                            .threads = 2};
  struct crowd crowd = {.file = &file};
  DO(ovio_open(&file, in(folder, "file"), MADE, 0600));
  int64_t result = ovio_write(&file, "text", 4, 0);
  result = result == 4 ? ovio_loop_create(&loop, &options)
                       : (result < 0 ? result : FAULT_SCENE_SHORT);
  if (result == 0) {
    result = crowd_meets(loop, &crowd);
    result = first_of(result, ovio_loop_destroy(loop));
  }
  return first_of(result, ovio_close(&file));
}

/* ---- all of them ---- */

const struct fault_scene fault_scenes[] = {
    {"file", play_file},
    {"copy", play_copy},
    {"append", play_append},
    {"paths", play_paths},
    {"links", play_links},
    {"temporary", play_temporary},
    {"whole", play_whole},
    {"copy file", play_copy_file},
    {"streams", play_streams},
    {"pipe", play_pipe},
    {"named pipe", play_named_pipe},
    {"sockets", play_sockets},
    {"process", play_process},
    {"run", play_run},
    {"watch", play_watch},
    {"loop", play_loop},
};
const size_t fault_scene_count = sizeof fault_scenes / sizeof *fault_scenes;

void fault_scene_tidy(const char *folder) {
  uint64_t buffer[4096];
  struct ovio_file dir;
  struct ovio_dir steps;
  struct ovio_entry entry;
  if (ovio_open(&dir, folder, OVIO_READ | OVIO_DIRECTORY, 0) != 0)
    return;
  ovio_dir_begin(&steps, &dir, buffer, sizeof buffer);
  while (ovio_dir_next(&steps, &entry) == 1) {
    char path[2400];
    snprintf(path, sizeof path, "%s/%s", folder, entry.name);
    if (entry.type == OVIO_TYPE_DIRECTORY)
      fault_scene_tidy(path);
    if (ovio_unlink(NULL, path) != 0)
      ovio_rmdir(NULL, path);
  }
  ovio_dir_end(&steps);
  ovio_close(&dir);
}
