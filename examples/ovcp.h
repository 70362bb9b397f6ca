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
 * between them: what does not call ovio is atomic. The walk's own calls look up
 * names, which is quick: they go by `here`, which is OVIO_INLINE, and so block
 * the thread instead of going to a worker and back. */
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

enum { FOLDER_BUFFER = 16 * 1024 };

/* A directory being copied; it lives as long as something in it does. */
struct folder {
  struct folder *parent; /* also the stack of the walk; NULL: an operand */
  struct list *list;     /* NULL once it has been read to its end */
  char *source;
  char *target;
  struct ovio_stat stat; /* of the source */
  unsigned users;        /* its reading, and its entries under way */
  bool made;             /* by us: gets the source's mode and times */
};

/* What it takes to read a directory. */
struct list {
  struct ovio_file file;
  struct ovio_dir walk;
  uint64_t buffer[FOLDER_BUFFER / 8];
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
  bool busy;          /* a task is in the middle of a step */
  struct folder *top; /* the directory being read, or NULL */
};

/* A temporary that a cancelled task could not remove any more. */
struct leftover {
  struct leftover *next;
  char *path;
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
  struct ovio_file here; /* the current directory */
  struct leftover *leftovers;
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
 * are made on the way. 1: *item is something to copy; 0: nothing this time, or
 * another task is at it; -1: the end. */
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

/* Removes what the cancelled tasks have left. On the plain thread, at the end.
 */
void copy_remove_leftovers(struct job *job);

/* ---- ovcp_path.c ---- */

/* What `path` is; a symbolic link itself unless `follow`. */
int path_look(struct job *job, const char *path, bool follow,
              struct ovio_stat *out);

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

/* What is no file's: arguments, signals, the terminal, the clock. */

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

/* Whether links are copied as what they lead to: who may make links on Windows
 * is a question of privilege. */
bool sys_follows_links(void);

#endif
