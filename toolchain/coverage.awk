# SPDX-License-Identifier: MIT
#
# What gcov -b has said of the library's files, as a table. "Taken at least
# once" is what is called branch coverage. -v preset=NAME; the status is 1 if
# common/ is below the aims.

function share(part, all) {
  return all ? 100 * part / all : 100
}

# "Lines executed:98.56% of 347": 98.56 and 347.
function parse(line,   field) {
  sub(/^[^:]*:/, "", line)
  split(line, field, /[% ]+/)
  part = field[1] * field[3] / 100
  return field[3]
}

/^File / {
  file = substr($2, 2, length($2) - 2)
  if (file !~ /^(common|win32|posix)\/.*\.c$/) file = ""
}
/^$/ { file = "" }
file && /^Lines executed:/ { lines[file] = parse($0); hits[file] = part }
file && /^Taken at least once:/ { ways[file] = parse($0); taken[file] = part }

END {
  for (name in lines) {
    printf "%6.1f %% of %4d lines %6.1f %% of %4d branches  %s\n",
      share(hits[name], lines[name]), lines[name],
      share(taken[name], ways[name]), ways[name], name | "sort -k11"
    side = name
    sub(/\/.*/, "", side)
    all[side] += lines[name]
    run[side] += hits[name]
    branches[side] += ways[name]
    both[side] += taken[name]
  }
  close("sort -k11")
  for (side in all)
    printf "%6.1f %% of %4d lines %6.1f %% of %4d branches  %s/, %s\n",
      share(run[side], all[side]), all[side],
      share(both[side], branches[side]), branches[side], side, preset
  exit preset == "linux" && (share(run["common"], all["common"]) < 95 ||
    share(both["common"], branches["common"]) < 85)
}
