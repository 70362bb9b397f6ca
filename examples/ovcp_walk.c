/* SPDX-License-Identifier: MIT */
/* ovcp's walk: one step at a time through the operands and their trees. */
#include "ovcp.h"

#include <stdlib.h>
#include <string.h>

static void walk_complain(struct walk *walk, int error, const char *format,
                          ...) {
  if (walk->scout)
    return;
  va_list list;
  va_start(list, format);
  complain_list(walk->job, error, format, list);
  va_end(list);
}

static bool same_file(const struct ovio_stat *one,
                      const struct ovio_stat *other) {
  return one->device == other->device && one->inode == other->inode;
}

/* ---- Directories ---- */

static void folder_free(struct folder *folder) {
  free(folder->source);
  free(folder->target);
  free(folder);
}

/* The copy gets the source's times, and loses the rights that only we needed;
 * what the umask has taken away stays so. */
static int folder_finish(struct job *job, const struct folder *folder) {
  const struct ovio_stat *source = &folder->stat;
  unsigned excess = 0700 & ~source->mode;
  struct ovio_stat stat;
  int error = ovio_set_times_at(&job->here, folder->target, source->access_ns,
                                source->modify_ns);
  if (!excess)
    return error;
  int failed = path_look(job, folder->target, true, &stat);
  if (!failed)
    failed = ovio_set_mode(&job->here, folder->target, stat.mode & ~excess);
  return failed ? failed : error;
}

/* The last one out switches off the light, also in the folders above. */
static void folder_release(struct job *job, struct folder *folder) {
  while (folder && --folder->users == 0) {
    struct folder *parent = folder->parent;
    int error = folder->made ? folder_finish(job, folder) : 0;
    if (error)
      complain(job, error, "preserving mode and times of '%s'", folder->target);
    folder_free(folder);
    folder = parent;
  }
}

/* Whether the existing `path` is `source` or lies below it: goes up by "..",
 * until that leads nowhere else. */
static int path_is_inside(struct job *job, const char *path,
                          const struct ovio_stat *source, bool *inside) {
  struct ovio_stat below = {.inode = 0};
  struct ovio_stat stat;
  char *up = path_join(path, "", 0);
  int error = up ? path_look(job, up, true, &stat) : OVIO_ENOMEM;
  *inside = false;
  while (!error && !same_file(&stat, &below)) {
    *inside = *inside || same_file(&stat, source);
    below = stat;
    char *next = path_join(up, "..", 2);
    free(up);
    up = next;
    /* What cannot be looked at is not `source`, which could be. */
    if (!up || path_look(job, up, true, &stat))
      break;
  }
  free(up);
  return error;
}

/* A copy into itself would find its own copies, and copy those. */
static bool folder_into_itself(struct walk *walk, struct item *item,
                               bool exists) {
  bool inside = false;
  char *parent = exists ? NULL : path_parent(item->target);
  const char *path = exists ? item->target : parent;
  int error = path ? path_is_inside(walk->job, path, &item->stat, &inside)
                   : OVIO_ENOMEM;
  free(parent);
  if (error)
    walk_complain(walk, error, "cannot create directory '%s'", item->target);
  else if (inside)
    walk_complain(walk, 0, "cannot copy a directory, '%s', into itself, '%s'",
                  item->source, item->target);
  return error || inside;
}

/* Makes the target directory, or finds it. */
static bool folder_prepare(struct walk *walk, struct folder *folder,
                           struct item *item) {
  struct ovio_stat there;
  bool operand = !walk->top;
  int error = path_look(walk->job, item->target, operand, &there);
  if (error && error != OVIO_ENOENT) {
    walk_complain(walk, error, "cannot stat '%s'", item->target);
    return false;
  }
  if (operand && folder_into_itself(walk, item, !error))
    return false;
  if (!error && there.type != OVIO_TYPE_DIRECTORY) {
    walk_complain(walk, 0,
                  "cannot overwrite non-directory '%s' with directory '%s'",
                  item->target, item->source);
    return false;
  }
  if (!error)
    return true;
  /* Writable for us until it is finished. */
  error = ovio_mkdir(&walk->job->here, item->target,
                     (item->stat.mode & 0777) | 0700);
  if (error)
    walk_complain(walk, error, "cannot create directory '%s'", item->target);
  folder->made = !error;
  return !error;
}

/* Where links are followed, they may lead back to a directory above. */
static bool folder_is_circle(struct walk *walk, struct item *item) {
  struct folder *above = walk->top;
  while (above && !same_file(&above->stat, &item->stat))
    above = above->parent;
  if (above)
    walk_complain(walk, 0, "'%s' leads back to '%s': skipped", item->source,
                  above->source);
  return above;
}

static void list_close(struct list *list) {
  ovio_dir_end(&list->walk);
  ovio_close(&list->file);
  free(list);
}

static int list_open(struct job *job, struct list **list, const char *path) {
  *list = calloc(1, sizeof **list);
  if (!*list)
    return OVIO_ENOMEM;
  struct ovio_file *file = &(*list)->file;
  int error =
      ovio_openat(file, &job->here, path, OVIO_DIRECTORY | OVIO_INLINE, 0);
  if (!error)
    error = ovio_dir_begin(&(*list)->walk, file, (*list)->buffer,
                           sizeof(*list)->buffer);
  if (error)
    list_close(*list);
  return error;
}

/* Opens the directory `item` and makes its copy. */
static bool folder_open(struct walk *walk, struct folder *folder,
                        struct item *item) {
  if (folder_is_circle(walk, item))
    return false;
  int error = list_open(walk->job, &folder->list, item->source);
  if (error) {
    walk_complain(walk, error, "cannot read directory '%s'", item->source);
    return false;
  }
  if (walk->scout || folder_prepare(walk, folder, item))
    return true;
  list_close(folder->list);
  return false;
}

/* Goes down into the directory `item`, whose paths the folder takes over. */
static void walk_enter(struct walk *walk, struct item *item) {
  if (!walk->job->options.recursive) {
    walk_complain(walk, 0, "-r not specified; omitting directory '%s'",
                  item->source);
    return;
  }
  struct folder *folder = calloc(1, sizeof *folder);
  if (!folder) {
    walk_complain(walk, OVIO_ENOMEM, "cannot copy '%s'", item->source);
    return;
  }
  if (!folder_open(walk, folder, item)) {
    free(folder);
    return;
  }
  folder->source = item->source;
  folder->target = item->target;
  folder->stat = item->stat;
  folder->users = 1;
  folder->parent = item->folder; /* and the use of it */
  *item = (struct item){.source = NULL};
  walk->top = folder;
}

static void walk_leave(struct walk *walk) {
  struct folder *folder = walk->top;
  list_close(folder->list);
  folder->list = NULL;
  walk->top = folder->parent;
  folder_release(walk->job, folder);
}

/* ---- Steps ---- */

void item_end(struct job *job, struct item *item) {
  folder_release(job, item->folder);
  free(item->source);
  free(item->target);
}

/* Finds out what the item is. */
static int walk_take(struct walk *walk, struct item *item, bool follow) {
  int error = path_look(walk->job, item->source, follow, &item->stat);
  unsigned type = error ? OVIO_TYPE_OTHER : item->stat.type;
  if (type == OVIO_TYPE_FILE || type == OVIO_TYPE_SYMLINK)
    return 1;
  if (error)
    walk_complain(walk, error, "cannot stat '%s'", item->source);
  else if (type == OVIO_TYPE_DIRECTORY)
    walk_enter(walk, item);
  else
    walk_complain(walk, 0, "'%s' is a special file: skipped", item->source);
  item_end(walk->job, item);
  return 0;
}

/* The next entry of the directory being read. */
static int walk_entry(struct walk *walk, struct item *item) {
  struct folder *folder = walk->top;
  struct ovio_entry entry;
  int found = ovio_dir_next(&folder->list->walk, &entry);
  if (found < 0)
    walk_complain(walk, found, "cannot read directory '%s'", folder->source);
  if (found <= 0) {
    walk_leave(walk);
    return 0;
  }
  const char *name = entry.name;
  size_t length = strlen(name);
  folder->users++;
  item->folder = folder;
  item->source = path_join(folder->source, name, length);
  item->target = path_join(folder->target, name, length);
  if (item->source && item->target)
    return walk_take(walk, item, false);
  walk_complain(walk, OVIO_ENOMEM, "cannot copy '%s' in '%s'", name,
                folder->source);
  item_end(walk->job, item);
  return 0;
}

/* Where an operand goes in a target directory. "." and ".." name no entry:
 * their contents go there. */
static char *operand_target(const struct walk *walk, const char *operand) {
  size_t length;
  const char *base = path_base(operand, &length);
  bool dots = (length == 1 || length == 2) && !memcmp(base, "..", length);
  if (dots || !walk->into)
    length = 0;
  return path_join(walk->target, base, length);
}

/* Two operands of one name would take each other's place. */
static bool operand_comes_twice(const struct walk *walk, int number) {
  size_t length;
  const char *base = path_base(walk->operands[number], &length);
  for (int i = 0; i < number; i++) {
    size_t other_length;
    const char *other = path_base(walk->operands[i], &other_length);
    if (length == other_length && !memcmp(base, other, length))
      return true;
  }
  return false;
}

/* "new/" is no name for a file. */
static bool operand_needs_folder(const struct walk *walk) {
  size_t length = strlen(walk->target);
  return !walk->into && length && path_separates(walk->target[length - 1]);
}

static int walk_operand(struct walk *walk, struct item *item) {
  struct job *job = walk->job;
  int number = walk->next++;
  const char *operand = walk->operands[number];
  item->source = path_join(operand, "", 0);
  item->target = operand_target(walk, operand);
  if (!item->source || !item->target) {
    walk_complain(walk, OVIO_ENOMEM, "cannot copy '%s'", operand);
    item_end(job, item);
    return 0;
  }
  /* As cp: a link named on the command line stays one only with -r. */
  int found = walk_take(walk, item, !job->options.recursive);
  if (found > 0 && operand_comes_twice(walk, number)) {
    walk_complain(walk, 0, "will not overwrite just-created '%s' with '%s'",
                  item->target, operand);
  } else if (found > 0 && operand_needs_folder(walk)) {
    walk_complain(walk, OVIO_ENOTDIR, "cannot create regular file '%s'",
                  walk->target);
  } else {
    return found;
  }
  item_end(job, item);
  return 0;
}

static int walk_take_step(struct walk *walk, struct item *item) {
  if (walk->top)
    return walk_entry(walk, item);
  if (walk->next < walk->count)
    return walk_operand(walk, item);
  return -1;
}

/* Even a call that is finished at once may let other tasks run before. */
int walk_step(struct walk *walk, struct item *item) {
  *item = (struct item){.source = NULL};
  if (walk->busy)
    return 0;
  walk->busy = true;
  int found = walk_take_step(walk, item);
  walk->busy = false;
  return found;
}

void walk_end(struct walk *walk) {
  while (walk->top)
    walk_leave(walk);
}
