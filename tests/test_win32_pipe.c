/* SPDX-License-Identifier: MIT */
/* Pipes and readiness: what Windows documents and Wine does not show, and every
 * call that can fail, made to fail, by way of the table of native calls. */
#include "win32/native.h"

#include "companion.h"

#define MS UINT64_C(1000000)

enum shim {
  SHIM_INSTANCE = 1 << 0, /* CreateNamedPipeW */
  SHIM_OPEN = 1 << 1,     /* CreateFileW of a pipe */
  SHIM_CONNECT = 1 << 2,  /* ConnectNamedPipe */
  SHIM_STATE = 1 << 3,    /* SetNamedPipeHandleState */
  SHIM_INFO = 1 << 4,     /* GetNamedPipeInfo */
  SHIM_TOKEN = 1 << 5,    /* OpenProcessToken */
  SHIM_USER = 1 << 6,     /* GetTokenInformation */
  SHIM_POLL = 1 << 7,     /* WSAPoll */
  SHIM_INVALID = 1 << 8,  /* WSAPoll: POLLNVAL */
  SHIM_TYPE = 1 << 9      /* GetFileType */
};

/* They stand in the table from before the first thread: switched on and off. */
static struct native_calls real;
static struct {
  atomic_uint which;
  atomic_int before; /* so many calls succeed first */
  atomic_int fail;   /* then so many fail */
  atomic_ulong error;
  atomic_ulong access; /* of the last CreateNamedPipeW */
  atomic_ulong mode;
  atomic_ulong instances;
  atomic_ulong opened; /* attributes of the last CreateFileW */
  atomic_int entries;  /* of the access list: -1 for none */
  atomic_ulong granted;
  atomic_bool tagged; /* the last ConnectNamedPipe posts no packet */
} plan;

static void plan_on(unsigned which, int before, int fail, DWORD error) {
  plan.before = before;
  plan.fail = fail;
  plan.error = error;
  plan.which = which;
}

static void plan_off(void) {
  plan.which = 0;
}

static bool fails(unsigned shim) {
  if (!(plan.which & shim) || atomic_fetch_sub(&plan.before, 1) > 0)
    return false;
  if (atomic_fetch_sub(&plan.fail, 1) <= 0)
    return false;
  SetLastError(plan.error);
  return true;
}

static void note_security(const SECURITY_ATTRIBUTES *security) {
  BOOL present = FALSE;
  BOOL defaulted;
  ACL *acl = NULL;
  void *entry;
  plan.entries = -1;
  if (!security || !security->lpSecurityDescriptor ||
      !GetSecurityDescriptorDacl(security->lpSecurityDescriptor, &present, &acl,
                                 &defaulted) ||
      !present || !acl)
    return;
  plan.entries = acl->AceCount;
  if (GetAce(acl, 0, &entry))
    plan.granted = ((ACCESS_ALLOWED_ACE *)entry)->Mask;
}

static HANDLE WINAPI try_instance(LPCWSTR name, DWORD access, DWORD mode,
                                  DWORD instances, DWORD out, DWORD in,
                                  DWORD timeout, LPSECURITY_ATTRIBUTES safe) {
  plan.access = access;
  plan.mode = mode;
  plan.instances = instances;
  note_security(safe);
  if (fails(SHIM_INSTANCE))
    return INVALID_HANDLE_VALUE;
  return real.CreateNamedPipeW(name, access, mode, instances, out, in, timeout,
                               safe);
}

static HANDLE WINAPI try_open(LPCWSTR name, DWORD access, DWORD share,
                              LPSECURITY_ATTRIBUTES security, DWORD how,
                              DWORD attributes, HANDLE template) {
  plan.opened = attributes;
  if (fails(SHIM_OPEN))
    return INVALID_HANDLE_VALUE;
  return real.CreateFileW(name, access, share, security, how, attributes,
                          template);
}

static BOOL WINAPI try_connect(HANDLE pipe, LPOVERLAPPED overlapped) {
  plan.tagged = ((ULONG_PTR)overlapped->hEvent & 1) != 0;
  return fails(SHIM_CONNECT) ? FALSE : real.ConnectNamedPipe(pipe, overlapped);
}

static BOOL WINAPI try_state(HANDLE pipe, LPDWORD mode, LPDWORD count,
                             LPDWORD timeout) {
  return fails(SHIM_STATE)
             ? FALSE
             : real.SetNamedPipeHandleState(pipe, mode, count, timeout);
}

static BOOL WINAPI try_info(HANDLE pipe, LPDWORD flags, LPDWORD out, LPDWORD in,
                            LPDWORD instances) {
  return fails(SHIM_INFO)
             ? FALSE
             : real.GetNamedPipeInfo(pipe, flags, out, in, instances);
}

static BOOL WINAPI try_token(HANDLE process, DWORD access, PHANDLE token) {
  return fails(SHIM_TOKEN) ? FALSE
                           : real.OpenProcessToken(process, access, token);
}

static BOOL WINAPI try_user(HANDLE token, TOKEN_INFORMATION_CLASS kind,
                            LPVOID out, DWORD room, PDWORD length) {
  return fails(SHIM_USER)
             ? FALSE
             : real.GetTokenInformation(token, kind, out, room, length);
}

static int WINAPI try_poll(LPWSAPOLLFD set, ULONG count, INT timeout) {
  if (fails(SHIM_INVALID)) {
    set->revents = POLLNVAL;
    return 1;
  }
  return fails(SHIM_POLL) ? SOCKET_ERROR : real.WSAPoll(set, count, timeout);
}

static DWORD WINAPI try_type(HANDLE handle) {
  return fails(SHIM_TYPE) ? FILE_TYPE_UNKNOWN : real.GetFileType(handle);
}

static const char *fresh_name(void) {
  static char name[64];
  uint64_t random = 0;
  os_random(&random, sizeof random);
  snprintf(name, sizeof name, "ovio-test-%016llx", (unsigned long long)random);
  return name;
}

/* ---- pipes without a name ---- */

/* Whoever sits on the name: the answers of CreateNamedPipeW (MS). */
static void test_squatter(struct test *test) {
  static const struct {
    DWORD code;
    int error;
  } rows[] = {{ERROR_ACCESS_DENIED, OVIO_EACCES},
              {ERROR_PIPE_BUSY, OVIO_EBUSY},
              {ERROR_NO_SYSTEM_RESOURCES, OVIO_ENOBUFS}};
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
    struct ovio_file ends[2];
    plan_on(SHIM_INSTANCE, 0, 1, rows[at].code);
    int result = ovio_pipe(ends, 0);
    plan_off();
    TRY_EQ(result, rows[at].error);
    TRY_EQ(ovio_native_error(), rows[at].code);
    TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
    TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
  }
}

static void test_pipe_fails_at_every_step(struct test *test) {
  static const unsigned steps[] = {SHIM_OPEN, SHIM_TYPE};
  for (size_t at = 0; at < 3; at++) {
    struct ovio_file ends[2];
    plan_on(steps[at > 0], at == 2, 1, ERROR_TOO_MANY_OPEN_FILES);
    int result = ovio_pipe(ends, 0);
    plan_off();
    TRY_EQ(result, OVIO_EMFILE);
    TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
    TRY_EQ(ovio_close(&ends[1]), OVIO_EBADF);
  }
}

static void test_pipe_is_for_this_process(struct test *test) {
  struct ovio_file ends[2];
  TRY_EQ(ovio_pipe(ends, 0), 0);
  TRY(plan.access & FILE_FLAG_FIRST_PIPE_INSTANCE);
  TRY(plan.mode & PIPE_REJECT_REMOTE_CLIENTS);
  TRY_EQ(plan.instances, 1);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
}

/* ---- listeners ---- */

/* What a listener asks of the system. */
static void test_listener_is_for_this_user(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  TRY(plan.access & FILE_FLAG_FIRST_PIPE_INSTANCE);
  TRY(plan.mode & PIPE_REJECT_REMOTE_CLIENTS);
  TRY_EQ(plan.entries, 1);
  TRY_EQ(plan.granted, GENERIC_ALL);
  plan.entries = -1;
  TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), 0);
  const DWORD careful = SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
  TRY_EQ(plan.opened & 0x1F0000, careful);
  TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), 0);
  /* The next instance is one of many, and as well kept. */
  TRY_EQ(plan.access & FILE_FLAG_FIRST_PIPE_INSTANCE, 0);
  TRY_EQ(plan.entries, 1);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_taken_name(struct test *test) {
  static const DWORD codes[] = {ERROR_ACCESS_DENIED, ERROR_PIPE_BUSY};
  for (size_t at = 0; at < 2; at++) {
    struct ovio_file listener;
    plan_on(SHIM_INSTANCE, 0, 1, codes[at]);
    int result = ovio_pipe_listen(&listener, fresh_name(), 0);
    plan_off();
    TRY_EQ(result, OVIO_EEXIST);
    TRY_EQ(ovio_native_error(), codes[at]);
    TRY_EQ(ovio_close(&listener), OVIO_EBADF);
  }
}

static void test_listen_fails_at_every_step(struct test *test) {
  static const unsigned steps[] = {SHIM_TOKEN, SHIM_USER, SHIM_INSTANCE};
  for (size_t at = 0; at < 3; at++) {
    struct ovio_file listener;
    plan_on(steps[at], 0, 1, ERROR_NOT_ENOUGH_MEMORY);
    int result = ovio_pipe_listen(&listener, fresh_name(), OVIO_MESSAGE);
    plan_off();
    TRY_EQ(result, OVIO_ENOMEM);
    TRY_EQ(ovio_close(&listener), OVIO_EBADF);
  }
}

/* Without a next instance the client stays with the listener. */
static void test_accept_that_fails_loses_nobody(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  char byte = 0;
  const char *name = fresh_name();
  for (unsigned flags = 0; flags <= OVIO_MESSAGE; flags += OVIO_MESSAGE) {
    TRY_EQ(ovio_pipe_listen(&listener, name, flags), 0);
    TRY_EQ(ovio_pipe_connect(&ends[1], name, flags), 0);
    TRY_EQ(ovio_write(&ends[1], "x", 1, OVIO_HERE), 1);
    for (int round = 0; round < 2; round++) {
      plan_on(SHIM_INSTANCE, 0, 1, ERROR_TOO_MANY_OPEN_FILES);
      int result = ovio_pipe_accept(&listener, &ends[0]);
      plan_off();
      TRY_EQ(result, OVIO_EMFILE);
      TRY_EQ(ovio_close(&ends[0]), OVIO_EBADF);
    }
    TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), 0);
    TRY_EQ(ovio_read(&ends[0], &byte, 1, OVIO_HERE), 1);
    TRY_EQ(byte, 'x');
    TRY_EQ(ovio_close(&ends[0]), 0);
    TRY_EQ(ovio_close(&ends[1]), 0);
    TRY_EQ(ovio_close(&listener), 0);
  }
}

/* The answers of ConnectNamedPipe (MS). */
/* Where the port has no part in it, it is not sent a packet either. */
static void test_accept_of_messages(struct test *test) {
  struct ovio_file listener;
  struct ovio_file ends[2];
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, OVIO_MESSAGE), 0);
  TRY_EQ(ovio_pipe_connect(&ends[1], name, OVIO_MESSAGE), 0);
  plan.tagged = false;
  TRY_EQ(ovio_pipe_accept(&listener, &ends[0]), 0);
  TRY(plan.tagged);
  TRY_EQ(ovio_close(&ends[0]), 0);
  TRY_EQ(ovio_close(&ends[1]), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_answers_of_an_accept(struct test *test) {
  static const struct {
    DWORD code;
    int error;
  } rows[] = {{ERROR_PIPE_CONNECTED, 0},
              {ERROR_NO_DATA, 0},
              {ERROR_NOT_ENOUGH_MEMORY, OVIO_ENOMEM}};
  for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
    struct ovio_file listener;
    struct ovio_file ends[2];
    const char *name = fresh_name();
    TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
    TRY_EQ(ovio_pipe_connect(&ends[1], name, 0), 0);
    plan_on(SHIM_CONNECT, 0, 1, rows[at].code);
    int result = ovio_pipe_accept(&listener, &ends[0]);
    plan_off();
    TRY_EQ(result, rows[at].error);
    TRY_EQ(ovio_close(&ends[0]), result ? OVIO_EBADF : 0);
    TRY_EQ(ovio_close(&ends[1]), 0);
    TRY_EQ(ovio_close(&listener), 0);
  }
}

/* ---- clients ---- */

static void test_connect_waits_for_an_instance(struct test *test) {
  struct ovio_file listener;
  struct ovio_file client;
  const char *name = fresh_name();
  TRY_EQ(ovio_pipe_listen(&listener, name, 0), 0);
  plan_on(SHIM_OPEN, 0, 4, ERROR_PIPE_BUSY);
  int result = ovio_pipe_connect(&client, name, 0);
  plan_off();
  TRY_EQ(result, 0);
  TRY_EQ(ovio_close(&client), 0);
  TRY_EQ(ovio_close(&listener), 0);
}

static void test_connect_that_waits_ends(struct test *test) {
  struct ovio_file client;
  TRY_EQ(ovio_deadline(10 * MS), 0);
  plan_on(SHIM_OPEN, 0, 1000000, ERROR_PIPE_BUSY);
  int result = ovio_pipe_connect(&client, fresh_name(), 0);
  plan_off();
  TRY_EQ(result, OVIO_ETIMEDOUT);
  TRY_EQ(ovio_deadline(0), 0);
}

static void test_connect_fails_at_every_step(struct test *test) {
  static const unsigned steps[] = {SHIM_OPEN, SHIM_INFO, SHIM_STATE, SHIM_TYPE};
  for (size_t at = 0; at < sizeof steps / sizeof *steps; at++) {
    struct ovio_file listener;
    struct ovio_file client;
    const char *name = fresh_name();
    TRY_EQ(ovio_pipe_listen(&listener, name, OVIO_MESSAGE), 0);
    plan_on(steps[at], 0, 1, ERROR_NOT_ENOUGH_MEMORY);
    int result = ovio_pipe_connect(&client, name, OVIO_MESSAGE);
    plan_off();
    TRY_EQ(result, OVIO_ENOMEM);
    TRY_EQ(ovio_close(&client), OVIO_EBADF);
    TRY_EQ(ovio_close(&listener), 0);
  }
}

/* ---- readiness ---- */

static void test_poll_that_fails(struct test *test) {
  ovio_handle ends[2];
  struct ovio_file files[2];
  TRY(test_socket_pair(ends));
  for (int before = 0; before < 2; before++) {
    plan_on(SHIM_POLL, before, 1, ERROR_NOT_ENOUGH_MEMORY);
    int result = ovio_wait_readable(ends[0]);
    plan_off();
    TRY_EQ(result, OVIO_ENOMEM);
    plan_on(SHIM_INVALID, before, 1, NO_ERROR);
    result = ovio_wait_readable(ends[0]);
    plan_off();
    TRY_EQ(result, OVIO_EBADF);
  }
  for (int at = 0; at < 2; at++) {
    TRY_EQ(ovio_adopt(&files[at], ends[at], OVIO_READ), 0);
    TRY_EQ(ovio_close(&files[at]), 0);
  }
}

static void install(void) {
  real = native;
  native.CreateNamedPipeW = try_instance;
  native.CreateFileW = try_open;
  native.ConnectNamedPipe = try_connect;
  native.SetNamedPipeHandleState = try_state;
  native.GetNamedPipeInfo = try_info;
  native.OpenProcessToken = try_token;
  native.GetTokenInformation = try_user;
  native.WSAPoll = try_poll;
  native.GetFileType = try_type;
}

int main(void) {
  static const struct test_case cases[] = {
      TEST(test_squatter),
      TEST(test_pipe_fails_at_every_step),
      TEST(test_pipe_is_for_this_process),
      TEST(test_listener_is_for_this_user),
      TEST(test_taken_name),
      TEST(test_listen_fails_at_every_step),
      TEST(test_accept_that_fails_loses_nobody),
      TEST(test_accept_of_messages),
      TEST(test_answers_of_an_accept),
      TEST(test_connect_waits_for_an_instance),
      TEST_LOOP(test_connect_that_waits_ends, "plain threads: no deadline"),
      TEST(test_connect_fails_at_every_step),
      TEST(test_poll_that_fails),
  };
  install();
  return test_main(cases, sizeof cases / sizeof *cases);
}
