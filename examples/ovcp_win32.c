/* SPDX-License-Identifier: MIT */
/* What ovcp asks Windows; ovcp_posix.c has the same functions. Text is WTF-8,
 * UTF-8 which may also contain lone surrogates: every name that a directory can
 * hold has one. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <shellapi.h>

#include "ovcp.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t interruption;
static UINT console_page;

/* ---- Text ---- */

static char *put_code(char *out, uint32_t code) {
  static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (int i = length - 1; i > 0; i--, code >>= 6)
    out[i] = (char)(0x80 | (code & 0x3F));
  out[0] = (char)(lead[length] | code);
  return out + length;
}

static bool is_pair(const wchar_t *wide) {
  return (wide[0] & 0xFC00) == 0xD800 && (wide[1] & 0xFC00) == 0xDC00;
}

/* `text` has room for three bytes a unit and the end. */
static void text_of(char *text, const wchar_t *wide) {
  for (; *wide; wide++) {
    uint32_t code = *wide;
    if (is_pair(wide))
      code = 0x10000 + ((code & 0x3FF) << 10) + (*++wide & 0x3FF);
    text = put_code(text, code);
  }
  *text = '\0';
}

static char *new_text_of(const wchar_t *wide) {
  char *text = malloc(wcslen(wide) * 3 + 1);
  if (text)
    text_of(text, wide);
  return text;
}

/* ---- Begin and end ---- */

static BOOL WINAPI note(DWORD event) {
  interruption = 1;
  /* For the others this thread's return would be the end of the process. */
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
    Sleep(INFINITE);
  return TRUE;
}

int sys_begin(int *argc, char ***argv) {
  wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), argc);
  char **texts = wide ? calloc((size_t)*argc + 1, sizeof *texts) : NULL;
  bool complete = texts;
  for (int i = 0; complete && i < *argc; i++) {
    texts[i] = new_text_of(wide[i]);
    complete = texts[i];
  }
  LocalFree(wide);
  *argv = texts; /* until the end of the process */
  /* Without, the C runtime writes to a console byte by byte. */
  setvbuf(stdout, NULL, _IOFBF, 4096);
  setvbuf(stderr, NULL, _IOFBF, 4096);
  console_page = GetConsoleOutputCP();
  SetConsoleOutputCP(CP_UTF8);
  return complete ? 0 : OVIO_ENOMEM;
}

int sys_end(int status) {
  fflush(NULL);
  if (console_page)
    SetConsoleOutputCP(console_page);
  return interruption ? (int)STATUS_CONTROL_C_EXIT : status;
}

void sys_watch(void) {
  SetConsoleCtrlHandler(note, TRUE);
}

bool sys_interrupted(void) {
  return interruption;
}

bool sys_terminal(void) {
  DWORD mode;
  return GetConsoleMode(GetStdHandle(STD_ERROR_HANDLE), &mode);
}

int64_t sys_clock_ns(void) {
  LARGE_INTEGER frequency;
  LARGE_INTEGER now;
  QueryPerformanceFrequency(&frequency);
  QueryPerformanceCounter(&now);
  int64_t seconds = now.QuadPart / frequency.QuadPart;
  int64_t rest = now.QuadPart % frequency.QuadPart;
  return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

unsigned long sys_process(void) {
  return GetCurrentProcessId();
}

/* ---- Paths ---- */

const char *sys_separators(void) {
  return "\\/";
}

static bool separates(char byte) {
  return byte == '/' || byte == '\\';
}

/* The end of the next `count` components and the separator behind them. */
static size_t skip_components(const char *path, size_t at, int count) {
  while (count && path[at]) {
    while (path[at] && !separates(path[at]))
      at++;
    at += path[at] != '\0';
    count--;
  }
  return at;
}

size_t sys_root(const char *path) {
  if (!strncmp(path, "\\\\?\\UNC\\", 8))
    return skip_components(path, 8, 2);
  if (!strncmp(path, "\\\\?\\", 4))
    return skip_components(path, 4, 1);
  if (separates(path[0]) && separates(path[1]))
    return skip_components(path, 2, 2);
  if (path[0] && path[1] == ':')
    return separates(path[2]) ? 3 : 2;
  return separates(path[0]);
}

bool sys_follows_links(void) {
  return true;
}
