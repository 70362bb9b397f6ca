/* SPDX-License-Identifier: MIT */
/* ovcp's copying of one file: blocks to a temporary name, then a rename.
 * ovio_copy_file() does the same, and does it for what is small and new.
 *
 * The temporary is in the target's directory, so that the rename stays on one
 * file system and happens in one step: under the target's own name there is the
 * old file, or none, or the complete new one. It is a new file: hard links to
 * an old target keep the old contents, its owner is who copies. What is left
 * after a kill that cannot be caught is called .ovcp-*, or .ovio-* if it was
 * small. Nothing is synced: the promise holds for the program's end, not for
 * the power's.
 *
 * --direct: the last block is read and written in full multiples of the
 * alignment, padded with zeros, and what is too much is then cut off with
 * ovio_truncate(). A second, buffered handle for the tail would leave part of
 * the file in the page cache, and cannot be opened when the file is read-only.
 * Where a file system does not do it, that file is copied buffered. */
#include "ovcp.h"

#include <stdlib.h>
#include <string.h>

struct copy {
  struct item item;
  struct ovio_file source;
  struct ovio_file target;
  char *temporary;
  bool created;   /* the temporary is there, and ours */
  bool sparse;    /* blocks of zeros need not be written */
  bool verifying; /* the second stage: compare */
  bool failed;
  int64_t size;
  int64_t next;   /* where the next block begins that nobody has taken */
  unsigned users; /* tasks at work on it */
};

static void copy_fail(struct job *job, struct copy *copy, int error,
                      const char *format, ...) {
  /* Of several blocks that fail the first one tells. */
  if (copy->failed)
    return;
  copy->failed = true;
  va_list list;
  va_start(list, format);
  complain_list(job, error, format, list);
  va_end(list);
}

/* ---- Blocks ---- */

static size_t aligned(size_t length) {
  return (length + OVCP_ALIGNMENT - 1) / OVCP_ALIGNMENT * OVCP_ALIGNMENT;
}

/* All of `length` bytes unless the file ends before. */
static int64_t read_full(struct ovio_file *file, unsigned char *buffer,
                         size_t length, int64_t offset, bool direct) {
  size_t done = 0;
  while (done < length) {
    int64_t got =
        ovio_read(file, buffer + done, length - done, offset + (int64_t)done);
    if (got < 0)
      return got;
    done += (size_t)got;
    if (got == 0 || (direct && done % OVCP_ALIGNMENT))
      break;
  }
  return (int64_t)done;
}

static int write_full(struct ovio_file *file, const unsigned char *buffer,
                      size_t length, int64_t offset) {
  size_t done = 0;
  while (done < length) {
    int64_t put =
        ovio_write(file, buffer + done, length - done, offset + (int64_t)done);
    if (put < 0)
      return (int)put;
    done += (size_t)put;
  }
  return 0;
}

static size_t block_length(const struct slot *slot, const struct copy *copy,
                           int64_t offset) {
  int64_t left = copy->size - offset;
  size_t block = slot->job->options.block;
  return left < (int64_t)block ? (size_t)left : block;
}

/* Reads the block at `offset`, all of it or the file has failed. */
static bool block_read(struct slot *slot, struct copy *copy, bool target,
                       unsigned char *buffer, int64_t offset) {
  struct job *job = slot->job;
  size_t length = block_length(slot, copy, offset);
  bool direct = job->options.direct;
  int64_t got = read_full(target ? &copy->target : &copy->source, buffer,
                          direct ? aligned(length) : length, offset, direct);
  const char *name = target ? copy->item.target : copy->item.source;
  if (got < 0)
    copy_fail(job, copy, (int)got, "error reading '%s'", name);
  else if (got != (int64_t)length)
    copy_fail(job, copy, 0, "'%s' %s while it was copied", name,
              got < (int64_t)length ? "shrank" : "grew");
  return got == (int64_t)length;
}

static bool is_zero(const unsigned char *block, size_t length) {
  return length && !block[0] && !memcmp(block, block + 1, length - 1);
}

/* Writes `length` bytes of the slot's block; with --direct a few more. */
static bool block_write(struct slot *slot, struct copy *copy, size_t length,
                        int64_t offset) {
  struct job *job = slot->job;
  if (copy->sparse && is_zero(slot->block, length))
    return true;
  size_t padded = job->options.direct ? aligned(length) : length;
  memset(slot->block + length, 0, padded - length);
  int error = write_full(&copy->target, slot->block, padded, offset);
  if (error)
    copy_fail(job, copy, error, "error writing '%s'", copy->item.target);
  return !error;
}

static void block_copy(struct slot *slot, struct copy *copy, int64_t offset) {
  size_t length = block_length(slot, copy, offset);
  if (block_read(slot, copy, false, slot->block, offset) &&
      block_write(slot, copy, length, offset))
    slot->job->copied += (int64_t)length;
}

static void block_verify(struct slot *slot, struct copy *copy, int64_t offset) {
  size_t length = block_length(slot, copy, offset);
  if (!block_read(slot, copy, false, slot->block, offset) ||
      !block_read(slot, copy, true, slot->second, offset))
    return;
  if (memcmp(slot->block, slot->second, length))
    copy_fail(slot->job, copy, 0, "'%s' and its copy '%s' differ",
              copy->item.source, copy->item.target);
  slot->job->verified += (int64_t)length;
}

/* ---- The beginning ---- */

/* The file systems that know no direct I/O say so when a file is opened. */
static bool refuses_direct(int error) {
  return error == OVIO_EINVAL || error == OVIO_ENOTSUP;
}

static bool open_source(struct slot *slot, struct copy *copy) {
  struct job *job = slot->job;
  const char *path = copy->item.source;
  unsigned direct = job->options.direct ? OVIO_DIRECT : 0u;
  int error = ovio_open(&copy->source, path, OVIO_READ | direct, 0);
  if (direct && refuses_direct(error))
    error = ovio_open(&copy->source, path, OVIO_READ, 0);
  if (!error)
    error = ovio_stat(&copy->source, &copy->item.stat);
  if (error)
    copy_fail(job, copy, error, "cannot open '%s' for reading", path);
  copy->size = copy->item.stat.size;
  copy->sparse = copy->item.stat.allocated < copy->size;
  return !error;
}

/* The path without links, as a new string. */
static int real_path(const char *path, char **real) {
  enum { ROOM = 64 * 1024 }; /* more than any system's longest */
  *real = malloc(ROOM);
  if (!*real)
    return OVIO_ENOMEM;
  int64_t length = ovio_realpath(NULL, path, *real, ROOM);
  if (length >= 0)
    return 0;
  free(*real);
  return (int)length;
}

/* Removes a temporary, now or, after a cancel, at the end. */
static void discard(struct job *job, const char *path) {
  if (ovio_unlink(NULL, path) != OVIO_ECANCELED)
    return;
  struct leftover *leftover = calloc(1, sizeof *leftover);
  char *copy = path_join(path, "", 0);
  if (!leftover || !copy) {
    free(leftover);
    free(copy);
    return;
  }
  *leftover = (struct leftover){job->leftovers, copy};
  job->leftovers = leftover;
}

void copy_remove_leftovers(struct job *job) {
  while (job->leftovers) {
    struct leftover *leftover = job->leftovers;
    job->leftovers = leftover->next;
    ovio_unlink(NULL, leftover->path);
    free(leftover->path);
    free(leftover);
  }
}

/* Through a link at the target's name, as cp does, not in its place. */
static bool follow_target(struct job *job, struct copy *copy) {
  char *real;
  int error = real_path(copy->item.target, &real);
  if (error) {
    copy_fail(job, copy, error, "not writing through dangling link '%s'",
              copy->item.target);
    return false;
  }
  free(copy->item.target);
  copy->item.target = real;
  return true;
}

/* A target that may not be written is not replaced either; and who may read a
 * file under one name may not always write it under another. */
static bool check_target_file(struct job *job, struct copy *copy) {
  struct ovio_file file;
  struct ovio_stat stat;
  const char *target = copy->item.target;
  int error = ovio_open(&file, target, OVIO_WRITE, 0);
  if (error) {
    copy_fail(job, copy, error, "cannot create regular file '%s'", target);
    return false;
  }
  error = ovio_stat(&file, &stat);
  ovio_close(&file);
  bool same = !error && stat.device == copy->item.stat.device &&
              stat.inode == copy->item.stat.inode;
  if (error)
    copy_fail(job, copy, error, "cannot stat '%s'", target);
  else if (same)
    copy_fail(job, copy, 0, "'%s' and '%s' are the same file",
              copy->item.source, target);
  return !error && !same;
}

/* Whether what has the target's name now can be replaced. */
static bool check_target(struct job *job, struct copy *copy) {
  struct ovio_stat stat;
  int error = path_look(job, copy->item.target, false, &stat);
  if (!error && stat.type == OVIO_TYPE_SYMLINK) {
    if (!follow_target(job, copy))
      return false;
    error = path_look(job, copy->item.target, false, &stat);
  }
  if (error == OVIO_ENOENT)
    return true;
  const char *target = copy->item.target;
  if (error)
    copy_fail(job, copy, error, "cannot stat '%s'", target);
  else if (stat.type == OVIO_TYPE_DIRECTORY)
    copy_fail(job, copy, 0,
              "cannot overwrite directory '%s' with non-directory", target);
  else if (stat.type != OVIO_TYPE_FILE)
    copy_fail(job, copy, 0, "'%s' is a special file: not replaced", target);
  else
    return check_target_file(job, copy);
  return false;
}

static int create_temporary(struct job *job, struct copy *copy,
                            unsigned flags) {
  free(copy->temporary);
  copy->temporary = path_temporary(copy->item.target, job->temporaries++);
  if (!copy->temporary)
    return OVIO_ENOMEM;
  int error = ovio_open(&copy->target, copy->temporary, flags,
                        copy->item.stat.mode & 0777);
  copy->created = !error;
  /* Linux creates the file before it finds out. */
  if ((flags & OVIO_DIRECT) && refuses_direct(error))
    discard(job, copy->temporary);
  return error;
}

static bool create_target(struct job *job, struct copy *copy) {
  unsigned flags = OVIO_WRITE | OVIO_CREATE | OVIO_EXCLUSIVE;
  if (job->options.verify)
    flags |= OVIO_READ;
  if (job->options.direct)
    flags |= OVIO_DIRECT;
  int error;
  int attempts = 100; /* at names left over by a process of our number */
  do {
    error = create_temporary(job, copy, flags);
    if ((flags & OVIO_DIRECT) && refuses_direct(error))
      error = create_temporary(job, copy, flags &= ~(unsigned)OVIO_DIRECT);
  } while (error == OVIO_EEXIST && --attempts);
  if (error)
    copy_fail(job, copy, error, "cannot create regular file '%s'",
              copy->item.target);
  return !error;
}

/* Copies a file that says it is empty: it is, or it is one of /proc's, which
 * have contents but no size. */
static void copy_unsized(struct slot *slot, struct copy *copy) {
  struct job *job = slot->job;
  size_t block = job->options.block;
  int64_t got;
  do {
    got = read_full(&copy->source, slot->block, block, copy->size,
                    job->options.direct);
    if (got < 0)
      copy_fail(job, copy, (int)got, "error reading '%s'", copy->item.source);
    else if (got > 0 && block_write(slot, copy, (size_t)got, copy->size))
      copy->size += got;
  } while (!copy->failed && got == (int64_t)block);
  job->copied += copy->size;
  copy->next = copy->size;
}

/* Makes room at once: an overlapped write past the end of a file makes Windows
 * wait for it, and holes are left where a sparse file has them. */
static void copy_reserve(struct job *job, struct copy *copy) {
  int error = ovio_truncate(&copy->target, copy->size);
  if (error)
    copy_fail(job, copy, error, "error writing '%s'", copy->item.target);
}

static void copy_begin(struct slot *slot, struct copy *copy) {
  struct job *job = slot->job;
  if (!open_source(slot, copy) || !check_target(job, copy) ||
      !create_target(job, copy))
    return;
  if (copy->size == 0)
    copy_unsized(slot, copy);
  else if (copy->sparse || copy->size > (int64_t)job->options.block)
    copy_reserve(job, copy);
}

/* ---- The end ---- */

/* Nobody may have written to the source meanwhile. */
static bool source_is_unchanged(struct job *job, struct copy *copy) {
  const struct ovio_stat *before = &copy->item.stat;
  struct ovio_stat now;
  const char *source = copy->item.source;
  int error = ovio_stat(&copy->source, &now);
  if (error)
    copy_fail(job, copy, error, "cannot stat '%s'", source);
  else if (now.size != before->size)
    copy_fail(job, copy, 0, "'%s' %s while it was copied", source,
              now.size < before->size ? "shrank" : "grew");
  else if (now.modify_ns != before->modify_ns)
    copy_fail(job, copy, 0, "'%s' changed while it was copied", source);
  return !copy->failed;
}

static void copy_replace(struct job *job, struct copy *copy) {
  const char *target = copy->item.target;
  int error = ovio_set_times(&copy->target, copy->item.stat.access_ns,
                             copy->item.stat.modify_ns);
  if (error == OVIO_ECANCELED)
    copy->failed = true;
  else if (error)
    complain(job, error, "preserving times for '%s'", target);
  error = ovio_close(&copy->target);
  if (error)
    copy_fail(job, copy, error, "error writing '%s'", target);
  if (copy->failed)
    return;
  error = ovio_rename(NULL, copy->temporary, NULL, target, 0);
  if (error)
    copy_fail(job, copy, error, "cannot create regular file '%s'", target);
  copy->created = error;
  job->files += !error;
}

static void copy_end(struct job *job, struct copy *copy) {
  if (!copy->failed && source_is_unchanged(job, copy))
    copy_replace(job, copy);
  ovio_close(&copy->source); /* these answer OVIO_EBADF if it was not open */
  ovio_close(&copy->target);
  if (copy->created)
    discard(job, copy->temporary);
  free(copy->temporary);
  item_end(job, &copy->item);
  free(copy);
}

/* ---- Stages ---- */

struct copy *copy_to_help(struct job *job) {
  for (unsigned i = 0; i < job->options.jobs; i++) {
    struct copy *copy = job->slots[i].offer;
    if (copy && !copy->failed && copy->next < copy->size)
      return copy;
  }
  return NULL;
}

static void copy_blocks(struct slot *slot, struct copy *copy) {
  copy->users++;
  while (!copy->failed && copy->next < copy->size) {
    int64_t offset = copy->next;
    copy->next += (int64_t)block_length(slot, copy, offset);
    if (copy->verifying)
      block_verify(slot, copy, offset);
    else
      block_copy(slot, copy, offset);
    copy->failed = copy->failed || sys_interrupted();
  }
  copy->users--;
  if (slot->offer == copy)
    slot->offer = NULL;
}

/* After the last block: whether there is another stage. */
static bool copy_advance(struct slot *slot, struct copy *copy) {
  struct job *job = slot->job;
  if (copy->failed || copy->verifying)
    return false;
  if (job->options.direct && copy->size % OVCP_ALIGNMENT)
    copy_reserve(job, copy);
  if (copy->failed || !job->options.verify)
    return false;
  copy->verifying = true;
  copy->next = 0;
  return true;
}

void copy_work(struct slot *slot, struct copy *copy) {
  do {
    if (copy->size - copy->next > (int64_t)slot->job->options.block) {
      slot->offer = copy;
      crew_grow(slot->job);
    }
    copy_blocks(slot, copy);
    if (copy->users)
      return; /* who leaves last goes on */
  } while (copy_advance(slot, copy));
  copy_end(slot->job, copy);
}

/* Whether `stat` is something that a rename should not take the place of. */
static bool is_special(const struct ovio_stat *stat) {
  return stat->type != OVIO_TYPE_FILE && stat->type != OVIO_TYPE_SYMLINK;
}

static int link_make(const char *from, const char *to) {
  enum { ROOM = 8 * 1024 };
  char text[ROOM];
  int64_t length = ovio_readlink(NULL, from, text, sizeof text);
  return length < 0 ? (int)length : ovio_symlink(text, NULL, to, 0);
}

/* A link is made under a temporary name too, and renamed. */
static void link_copy(struct job *job, struct item *item) {
  struct ovio_stat stat;
  if (!path_look(job, item->target, false, &stat) && is_special(&stat)) {
    complain(job, 0, "cannot overwrite '%s' with a link", item->target);
    return;
  }
  char *temporary = path_temporary(item->target, job->temporaries++);
  int error = temporary ? link_make(item->source, temporary) : OVIO_ENOMEM;
  if (!error) {
    error = ovio_rename(NULL, temporary, NULL, item->target, 0);
    if (error)
      discard(job, temporary);
  }
  if (error)
    complain(job, error, "cannot create symbolic link '%s'", item->target);
  job->files += !error;
  free(temporary);
}

/* Nobody else should put anything into a directory that we have just made; who
 * does is met by the copy itself. */
static bool is_new(struct job *job, const struct item *item) {
  struct ovio_stat there;
  return (item->folder && item->folder->made) ||
         path_look(job, item->target, false, &there) == OVIO_ENOENT;
}

/* A file of one block to a name that nothing has: one call does it all. What
 * fails so is done step by step, which tells what it is that fails. */
static bool file_copy(struct job *job, struct item *item) {
  const struct options *options = &job->options;
  const struct ovio_stat *stat = &item->stat;
  if (options->direct || options->verify ||
      stat->size > (int64_t)options->block || stat->allocated < stat->size ||
      !is_new(job, item))
    return false;
  int64_t copied =
      ovio_copy_file(NULL, item->source, NULL, item->target, OVIO_EXCLUSIVE);
  if (copied < 0)
    return false;
  job->copied += copied;
  job->files++;
  return true;
}

void copy_item(struct slot *slot, struct item *item) {
  struct job *job = slot->job;
  bool link = item->stat.type == OVIO_TYPE_SYMLINK;
  if (link)
    link_copy(job, item);
  if (link || file_copy(job, item)) {
    item_end(job, item);
    return;
  }
  struct copy *copy = calloc(1, sizeof *copy);
  if (!copy) {
    complain(job, OVIO_ENOMEM, "cannot copy '%s'", item->source);
    item_end(job, item);
    return;
  }
  copy->item = *item;
  copy_begin(slot, copy);
  copy_work(slot, copy);
}
