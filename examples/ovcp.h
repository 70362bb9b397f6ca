/* SPDX-License-Identifier: MIT */
/* What the files of ovcp share: its parts, and what a system has to supply.
 *
 *   main task --- starts ---> crew: up to -j tasks     display: bar, Ctrl-C
 *                               |  each with one block of memory
 *              walk_step() <----+----> copy_work()
 *              the next file           the next block of a file
 *
 * There is no queue between the walk and the crew: a task that wants work takes
 * the next step of the walk itself. So memory is bounded by the depth of the
 * tree, and nobody waits for anybody. A file of more than one block is offered
 * to the whole crew; whoever leaves it last finishes it.
 *
 * All tasks run on the thread of one loop, and only ovio_*() calls switch
 * between them: what does not call ovio, such as walk_step(), is atomic. */
#ifndef OVCP_H
#define OVCP_H

#include <ovio.h>
#include <stdarg.h>
#include <stdbool.h>

/* OVIO_DIRECT: addresses, offsets and lengths are multiples of this. */
enum { OVCP_ALIGNMENT = 4096 };

struct options {
  unsigned jobs;
  size_t block; /* bytes */
  bool recursive;
  bool quiet;
  bool verify;
  bool direct;
};

/* A directory being copied; it lives as long as something in it does. */
struct folder {
  struct folder *parent;   /* also the stack of the walk; NULL: an operand */
  struct sys_folder *list; /* NULL once it has been read to its end */
  char *source;
  char *target;
  struct ovio_stat stat; /* of the source */
  unsigned users;        /* its reading, and its entries under way */
  bool made;             /* by us: gets the source's mode and times */
};

/* A file or symbolic link to be copied. Owns its paths and a use of `folder`,
 * until item_end(). */
struct item {
  char *source;
  char *target;
  struct folder *folder;
  struct ovio_stat stat;
};

struct walk {
  struct job *job;
  char **operands; /* the sources */
  int count;
  int next;
  const char *target;
  bool into;          /* the target is a directory */
  bool scout;         /* only look: make nothing, say nothing */
  struct folder *top; /* the directory being read, or NULL */
};

/* A task of the crew, and its memory. */
struct slot {
  struct job *job;
  unsigned char *block;
  unsigned char *second; /* of the same size, with --verify; else NULL */
  struct copy *offer;    /* a file that others may help with, or NULL */
  bool idle;             /* no task runs */
};

struct job {
  struct options options;
  struct ovio_loop *loop;
  struct ovio_group crew;
  struct ovio_group display;
  struct walk walk;
  struct walk scout; /* counts ahead, for the bar */
  struct slot *slots;
  void *memory; /* of all blocks */
  unsigned temporaries;
  int64_t begin_ns;
  uint64_t files;   /* done */
  int64_t copied;   /* bytes */
  int64_t verified; /* bytes */
  int64_t found;    /* bytes, by the scout */
  bool found_all;   /* the scout has been everywhere */
  bool terminal;    /* progress is a bar */
  bool bar;         /* there is one to be wiped */
  bool failed;
  bool finished; /* the crew has gone home */
};

/* ---- ovcp.c ---- */

/* Starts one more task of the crew, if one is idle. */
void crew_grow(struct job *job);

/* ---- ovcp_walk.c ---- */

/* Takes the next step through the operands and what is in them. Directories
 * are made on the way. 1: *item is something to copy; 0: nothing this time;
 * -1: the end. Never switches tasks. */
int walk_step(struct walk *walk, struct item *item);

/* Frees what an unfinished walk holds. */
void walk_end(struct walk *walk);

void item_end(struct job *job, struct item *item);

/* ---- ovcp_copy.c ---- */

/* Copies `item`, which it takes over, and says what failed. */
void copy_item(struct slot *slot, struct item *item);

/* A file that has blocks left for others to copy, or NULL. */
struct copy *copy_to_help(struct job *job);

/* Copies blocks until there is none left to take. */
void copy_work(struct slot *slot, struct copy *copy);

/* ---- ovcp_path.c ---- */

bool path_separates(char byte);

/* The last component, without the separators behind it: its start and length.
 * Length 0: a root. */
const char *path_base(const char *path, size_t *length);

/* These return new strings, or NULL: out of memory. */
char *path_join(const char *folder, const char *name, size_t length);
char *path_parent(const char *path);
char *path_temporary(const char *target, unsigned number);

/* ---- ovcp_report.c ---- */

/* Says "ovcp: what: the error's text" and makes the exit status 1. 0 for
 * `error` says no text; OVIO_ECANCELED says nothing at all. */
void complain(struct job *job, int error, const char *format, ...);
void complain_list(struct job *job, int error, const char *format,
                   va_list list);

/* Task: draws progress, and cancels the crew when the user interrupts. */
void display_work(void *argument);

/* Task: walks ahead and counts what there is to copy. */
void display_scout(void *argument);

/* The line at the end. */
void display_summary(const struct job *job);

/* ---- ovcp_posix.c, ovcp_win32.c ---- */

/* Results: 0 or a negative OVIO_E*. Paths are as ovio_open() takes them. None
 * of these waits for a loop; they block the thread for as long as a disk takes
 * to look up a name. */

/* Gets ready: the arguments as UTF-8, a console that shows it. */
int sys_begin(int *argc, char ***argv);

/* Undoes sys_begin() and returns `status`; after an interruption ends the
 * process the way that interruption would have. */
int sys_end(int status);

/* From here on the user's interruptions are only noted. */
void sys_watch(void);

/* Whether there has been one. */
bool sys_interrupted(void);

/* Whether stderr is a terminal, where a line can be drawn over. */
bool sys_terminal(void);

/* Monotonic. */
int64_t sys_clock_ns(void);

/* Different for every program that runs. */
unsigned long sys_process(void);

/* The bytes that separate names in a path, the usual one first. */
const char *sys_separators(void);

/* The length of the part of `path` that names no entry: "/", "C:\", or 0. */
size_t sys_root(const char *path);

/* What `path` is; a symbolic link itself unless `follow` (Windows always
 * follows). Device and inode compare only with others from here. */
int sys_look(const char *path, bool follow, struct ovio_stat *out);

/* The absolute path without symbolic links; to be freed. */
int sys_real_path(const char *path, char **real);

/* Reads a directory. *name is valid until the next call; NULL is the end. "."
 * and ".." are left out. */
int sys_folder_open(struct sys_folder **folder, const char *path);
int sys_folder_next(struct sys_folder *folder, const char **name);
void sys_folder_close(struct sys_folder *folder);

/* Makes a directory for the copy of `source`, writable for us until
 * sys_folder_finish() gives it the final mode and the source's times. */
int sys_folder_make(const char *path, const struct ovio_stat *source);
int sys_folder_finish(const char *path, const struct ovio_stat *source);

/* Makes `to` the same symbolic link as `from`. */
int sys_link_copy(const char *from, const char *to);

/* Renames a file, in one step, over whatever file has that name. */
int sys_replace(const char *from, const char *to);

/* Removes a file of ours, read-only or not. */
void sys_remove(const char *path);

#endif
