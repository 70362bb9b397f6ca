# SPDX-License-Identifier: MIT
#
# The rules behind tidy.sh. Each complaint is "file:line: what", and says what
# to write instead.

function complain(message) {
  print FILENAME ":" FNR ": " message
  complaints++
}

function read_lists(   line, field) {
  while ((getline line < ratchet) > 0)
    if (split(line, field, " ") == 3) allowed[field[1] " " field[2]] = field[3]
  while ((getline line < native) > 0)
    if (split(line, field, " ") == 2) native_call[field[1], field[2]] = 1
}

# Banned calls: function by function, with what to use instead.
function list_banned(   windows, name, count, i) {
  banned["gets"] = "fgets"
  banned["strcpy"] = banned["strncpy"] = "memcpy, the length being known"
  banned["strcat"] = banned["strncat"] = "snprintf"
  banned["stpcpy"] = "memcpy"
  banned["sprintf"] = "snprintf"
  banned["vsprintf"] = banned["_snprintf"] = "snprintf or vsnprintf"
  banned["strtok"] = "strcspn"
  banned["atoi"] = banned["atol"] = banned["atof"] = "strtol and its kin"
  banned["alloca"] = banned["_alloca"] = "an array, or memory_new"
  banned["lstrcpyW"] = banned["wcscpy"] = banned["wcscat"] = "memcpy"
  banned["IsBadReadPtr"] = banned["IsBadWritePtr"] = "nothing: it harms"
  windows = "CreateFile CreateNamedPipe CreateEvent CreateProcess DeleteFile " \
    "CreateDirectory RemoveDirectory GetFileAttributes SetFileAttributes " \
    "MoveFile MoveFileEx CopyFile FindFirstFile FindNextFile GetModuleHandle " \
    "LoadLibrary GetFullPathName GetTempPath GetTempFileName CreateHardLink " \
    "GetFinalPathNameByHandle OutputDebugString CreateMutex CreateSemaphore " \
    "GetEnvironmentVariable SetEnvironmentVariable GetCurrentDirectory " \
    "SetCurrentDirectory GetModuleFileName CreateSymbolicLink WaitNamedPipe " \
    "GetVolumeInformation GetDriveType GetDiskFreeSpace FormatMessage"
  count = split(windows, name, " ")
  for (i = 1; i <= count; i++) banned[name[i] "A"] = name[i] "W"
  count = split("malloc calloc realloc free strdup aligned_alloc " \
    "posix_memalign HeapAlloc HeapFree", name, " ")
  for (i = 1; i <= count; i++) heap[name[i]] = 1
  # The headers of the language, which are there on every system.
  count = split("ctype errno inttypes limits math setjmp stdalign stdarg " \
    "stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string time",
    name, " ")
  for (i = 1; i <= count; i++) language[name[i] ".h"] = 1
}

# The line without comments and without what stands in quotes.
function code_of(line,   out, at) {
  out = ""
  while (line != "") {
    if (in_comment) {
      at = index(line, "*/")
      if (!at) return out
      line = substr(line, at + 2)
      in_comment = 0
    } else if (match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/)) {
      out = out substr(line, 1, RSTART - 1)
      at = substr(line, RSTART, 2)
      if (at == "//") return out
      line = substr(line, RSTART + (at == "/*" ? 2 : RLENGTH))
      if (at == "/*") in_comment = 1
      else out = out "\"\""
    } else {
      return out line
    }
  }
  return out
}

# Calls on this line: each name that a "(" follows; members of a struct, such
# as native.ReadFile(, are marked by a dot in front.
function check_calls(code,   rest, name, before) {
  rest = code
  before = ""
  while (match(rest, /[A-Za-z_][A-Za-z0-9_]*\(/)) {
    name = substr(rest, RSTART, RLENGTH - 1)
    before = RSTART > 1 ? substr(rest, RSTART - 1, 1) : ""
    rest = substr(rest, RSTART + RLENGTH)
    if (before == "." || before == ">") continue
    if (name in banned) complain(name ": banned, use " banned[name])
    if (!in_library) continue
    if (name in heap && FILENAME != "common/memory.c")
      complain(name ": only in common/memory.c, use memory_*")
    if (name == "assert") complain("assert: use CHECK, which stays in release")
    if ((side, name) in native_call && FILENAME != side "/native.c" &&
        FILENAME != side "/native.h")
      complain(name ": goes around the table of native calls")
  }
}

# Which header, which macro, in which room.
function check_room(code, line,   header) {
  if (code ~ /(^|[^A-Za-z0-9_])_WIN32([^A-Za-z0-9_]|$)/ &&
      FILENAME != "include/ovio.h")
    complain("_WIN32: the build picks the side; only include/ovio.h asks")
  if (code ~ /#[ \t]*define[ \t]+_[A-Z_]*(SOURCE|FILE_OFFSET_BITS)/ &&
      FILENAME != "posix/native.h" && in_library)
    complain("feature-test macro: only in posix/native.h")
  if (!in_library) return
  if (line ~ /^#[ \t]*include/) {
    header = line
    sub(/^#[ \t]*include[ \t]*[<"]/, "", header)
    sub(/[>"].*/, "", header)
    check_include(header, line)
  }
  if (room == "common" || room == "include") {
    if (room == "common" && match(code, /(^|[^A-Za-z0-9_])(HANDLE|DWORD|OVERLAPPED|NTSTATUS|GetLastError|errno|pollfd|sigset_t)([^A-Za-z0-9_]|$)/))
      complain("something of one system above the border: move it below")
  }
}

function check_include(header, line) {
  if (tolower(header) ~ /^(windows|winsock2|ws2tcpip|winternl|windef|winbase|ntdef|ntstatus|mswsock)\.h$/ &&
      FILENAME != "win32/native.h")
    complain("<" header ">: only in win32/native.h")
  if (header ~ /^sys\// && FILENAME != "posix/native.h")
    complain("<" header ">: only in posix/native.h")
  if ((room == "common" || room == "include") && line ~ /</ &&
      header != "ovio.h" && !(header in language))
    complain("<" header ">: a system's header above the border")
  if (room == "common" && header ~ /^(\.\.\/)?(win32|posix)\//)
    complain("\"" header "\": common/ knows no side")
}

# A function begins in the first column and ends with "}" there.
function check_length(line, code,   name, length_, cap) {
  if (line ~ /^[A-Za-z_]/ && line !~ /^(typedef|struct [a-z0-9_]+ \{|enum|union|#)/ && code ~ /\(/) {
    if (!start || line !~ /^[a-z_]+:/) {
      start = FNR
      name = code
      sub(/\(.*/, "", name)
      sub(/.*[ *]/, "", name)
      function_name = name
    }
  }
  if (start && FNR >= start && code ~ /;[ \t]*$/ && !opened) start = 0
  if (start && code ~ /\{[ \t]*$/) opened = 1
  if (line ~ /^\}/) {
    if (start && opened && line == "}") {
      length_ = FNR - start + 1
      cap = 70
      if ((FILENAME " " function_name) in allowed)
        cap = allowed[FILENAME " " function_name]
      if (length_ > cap)
        complain(function_name ": " length_ " lines, the cap is " cap)
    }
    start = opened = 0
  }
}

BEGIN { complaints = 0 }
NR == 1 { list_banned() }
NR == 1 { read_lists() }

FNR == 1 {
  files++
  in_comment = start = opened = 0
  room = FILENAME
  sub(/\/.*/, "", room)
  side = room
  in_library = room ~ /^(include|common|win32|posix)$/
  is_c = FILENAME ~ /\.[ch]$/
  has_spdx = 0
}

/SPDX-License-Identifier: MIT/ && FNR <= 3 { has_spdx = 1 }
FNR == 3 && !has_spdx && FILENAME !~ /\.(md|in)$/ {
  complain("no SPDX line at the top")
}

# Every kind of file.
/\t/ { complain("tab") }
/\r$/ { complain("carriage return") }
/[ \t]$/ && FILENAME !~ /\.md$/ { complain("space at the end of the line") }
/(^|[^A-Za-z])(TODO|FIXME|XXX)([^A-Za-z]|$)/ { complain("unfinished business") }
is_c && length($0) > 100 { complain(length($0) " columns, the cap is 100") }

is_c {
  code = code_of($0)
  check_calls(code)
  check_room(code, $0)
  if (FILENAME ~ /\.c$/) check_length($0, code)
}

END {
  if (complaints) {
    print "tidy: " complaints " complaint(s)"
    exit 1
  }
  print files " files are tidy"
}
