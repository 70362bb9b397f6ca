# SPDX-License-Identifier: MIT
#
# A wrapper for each call of a table of native calls, which fails when it is
# told to, and what it can fail with:
#
#   awk -v side=posix -f generate.awk posix.txt ../../posix/native.h
#
# A row of the table that has no line in the text, or the other way round, is
# an error. Rows stay below the #if that they stand under.
#
# A line "+NAME[,passing]" is no call's but of what comes back by itself; the
# call that brings it says `completions`, and completions_SIDE.h what is done to
# it.

function die(text) {
  print "generate.awk: " FILENAME ": " text >"/dev/stderr"
  failed = 1
  exit 1
}

# The answer to a fault, as C.
function answer(name, kind) {
  if (kind == "error") return "(int)fault_native()"
  if (kind == "-error") return "-(int)fault_native()"
  if (kind == "status") return "(NTSTATUS)fault_native()"
  if (kind == "socket") return "FAULT_SOCKET()"
  return "FAULT_ANSWER(" kind ")"
}

# Splits at the commas outside of parentheses; the number of parts.
function split_arguments(text, parts, at, depth, count, c) {
  if (text ~ /^ *(void)? *$/) return 0
  count = 1
  parts[1] = ""
  for (at = 1; at <= length(text); at++) {
    c = substr(text, at, 1)
    depth += (c == "(") - (c == ")")
    if (c == "," && depth == 0) parts[++count] = ""
    else parts[count] = parts[count] c
  }
  return count
}

# "int fd" and "HANDLE" become "int a1" and "HANDLE a1".
function rename(text, at, name) {
  gsub(/^ +| +$/, "", text)
  name = "a" at
  if (text ~ /\(\*[a-z]*\)/) {
    sub(/\(\*[a-z]*\)/, "(*" name ")", text)
    return text
  }
  if (side == "win32") return text " " name
  if (!sub(/[A-Za-z_][A-Za-z_0-9]*(\[[A-Za-z_0-9]*\])?$/, "&@", text))
    die("no name for an argument: " text)
  match(text, /[A-Za-z_][A-Za-z_0-9]*(\[[A-Za-z_0-9]*\])?@$/)
  bounds = substr(text, RSTART, RLENGTH - 1)
  sub(/^[A-Za-z_0-9]*/, "", bounds)
  return substr(text, 1, RSTART - 1) name bounds
}

function wrapper(row, parts, count, at, result, name, list, call, kind, after) {
  match(row, /\((WINAPI )?\*[A-Za-z_0-9]+\)\(/)
  result = substr(row, 1, RSTART - 1)
  name = substr(row, RSTART, RLENGTH - 2)
  calling = name ~ /WINAPI/ ? "WINAPI " : ""
  sub(/.*\*/, "", name)
  sub(/\).*/, "", name)
  row = substr(row, RSTART + RLENGTH)
  sub(/\) *;.*/, "", row)
  if (!(name in answers)) die(name ": no line in the text")
  seen[name] = 1
  count = split_arguments(row, parts)
  for (at = 1; at <= count; at++) {
    list = list (at > 1 ? ", " : "") rename(parts[at], at)
    call = call (at > 1 ? ", " : "") "a" at
  }
  kind = answers[name]
  after = sub(/,after/, "", kind)
  brings = sub(/,completions/, "", kind)
  passing = sub(/,passing/, "", kind) ? "true" : "false"
  unless = ""
  if (match(kind, /,unless=.*/)) {
    unless = "!(" substr(kind, RSTART + 8) ") && "
    kind = substr(kind, 1, RSTART - 1)
  }
  if (count == 0) list = "void"
  gsub(/^ +| +$/, "", result)
  code = code sprintf("static const struct fault_error errors_%s[] = {%s {0, 0}};\n", name,
                      errors[name])
  code = code sprintf("static %s %sfault_%s(%s) {\n", result, calling, name, list)
  code = code sprintf("  if (%sfault_strikes(FAULT_%s)) {\n", unless,
                      name)
  if (after) code = code sprintf("    (void)real.%s(%s);\n", name, call)
  code = code sprintf("    return %s;\n  }\n", answer(name, kind))
  if (brings)
    code = code sprintf("  %s result = real.%s(%s);\n" \
                        "  COMPLETIONS_%s(result, %s);\n" \
                        "  return result;\n}\n", result, name, call, name, call)
  else
    code = code sprintf("  return real.%s(%s);\n}\n", name, call)
  names = names "  FAULT_" name ",\n"
  rows = rows sprintf("  {\"%s\", errors_%s, COUNT(errors_%s) - 1, %s},\n", name,
                      name, name, passing)
  install = install sprintf("  native.%s = fault_%s;\n", name, name)
}

# What no call of the table is.
function completion(name, list,    passing) {
  passing = sub(/,passing/, "", name) ? "true" : "false"
  names = names "  FAULT_" name ",\n"
  spoils = spoils sprintf("static const struct fault_error errors_%s[] = " \
                          "{%s {0, 0}};\n", name, list)
  rows = rows sprintf("  {\"%s\", errors_%s, COUNT(errors_%s) - 1, %s},\n",
                      name, name, name, passing)
}

{ sub(/\r$/, "") }

# The text.
NR == FNR {
  if ($0 ~ /^#/ || NF == 0) next
  list = ""
  own = $1 ~ /^[+]/
  for (at = own ? 2 : 3; at <= NF; at++) {
    split($at, word, "=")
    list = list sprintf(" {(uint32_t)%s, %s},", word[1], word[2] ? word[2] : 0)
  }
  if (own) {
    completion(substr($1, 2), list)
    next
  }
  answers[$1] = $2
  errors[$1] = list
  next
}

/^struct native_calls/ { inside = 1; next }
inside && /^};/ { inside = 0 }
!inside { next }
/^#/ {
  code = code $0 "\n"
  names = names $0 "\n"
  rows = rows $0 "\n"
  install = install $0 "\n"
  next
}
{
  gsub(/\/\*[^*]*\*\//, "")
  row = row " " $0
  if (row ~ /;/) {
    wrapper(row)
    row = ""
  }
}

END {
  if (failed) exit 1
  for (name in answers) {
    if (!(name in seen)) die(name ": no such call")
  }
  printf "/* Made by tests/faults/generate.awk. */\n"
  printf "#include \"faults_%s.h\"\n\n", side
  printf "enum {\n%s  FAULT_COUNT\n};\n\n", names
  printf "#define COUNT(array) (sizeof(array) / sizeof *(array))\n\n"
  printf "static struct native_calls real;\n\n%s\n", spoils
  printf "#include \"completions_%s.h\"\n\n%s\n", side, code
  printf "const struct fault_call fault_calls[] = {\n%s};\n", rows
  printf "const size_t fault_call_count = FAULT_COUNT;\n\n"
  printf "void fault_install(void) {\n  real = native;\n%s}\n", install
}
