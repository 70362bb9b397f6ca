# SPDX-License-Identifier: MIT
#
# Makes results.md of what run.sh has gathered; it names the files.

function median(values, count,   i, j, value) {
  for (i = 2; i <= count; i++) {
    value = values[i]
    for (j = i - 1; j >= 1 && values[j] > value; j--) values[j + 1] = values[j]
    values[j + 1] = value
  }
  if (count % 2) return values[(count + 1) / 2]
  return (values[count / 2] + values[count / 2 + 1]) / 2
}

# The median of the ratios of each round; "" if there is none.
function ratio(ours, reference, metric,   count, other, i, mine, theirs, list) {
  if (!((ours, metric) in rounds) || !((reference, metric) in rounds)) return ""
  count = split(rounds[ours, metric], mine, " ")
  other = split(rounds[reference, metric], theirs, " ")
  if (other < count) count = other
  for (i = 1; i <= count; i++) {
    if (theirs[i] <= 0) return ""
    list[i] = mine[i] / theirs[i]
  }
  return median(list, count)
}

function trim(text) {
  gsub(/^[ \t]+|[ \t]+$/, "", text)
  return text
}

function nanoseconds(value) {
  if (value < 100) return sprintf("%.1f", value)
  return sprintf("%d", value + 0.5)
}

# The best one of the references, by its median.
function best(setting, names, metric,   count, name, i, key, found) {
  count = split(names, name, ",")
  if (count == 1) return names
  found = ""
  for (i = 1; i <= count; i++) {
    key = setting SUBSEP name[i]
    if ((key, metric) in middle &&
        (found == "" || middle[key, metric] < middle[setting, found, metric]))
      found = name[i]
  }
  return found
}

function block_name(bytes) {
  if (bytes >= 1048576) return bytes / 1048576 " MiB"
  if (bytes >= 1024) return bytes / 1024 " KiB"
  return bytes " B"
}

FILENAME ~ /machine$/ {
  at = index($0, "=")
  machine[substr($0, 1, at - 1)] = substr($0, at + 1)
  next
}

FILENAME ~ /sizes$/ { size[$1] = $2; next }

FILENAME ~ /fio.csv$/ { split($0, f, ","); fio[f[1]] = f[2]; next }

FILENAME ~ /copies.csv$/ {
  if (FNR == 1) next
  split($0, f, ",")
  rounds["copy " f[1], f[2], "wall"] = \
    rounds["copy " f[1], f[2], "wall"] " " f[3] / 1e6
  next
}

FILENAME ~ /counts.csv$/ {
  if (FNR == 1) next
  split($0, f, ",")
  count_line[++count_lines] = $0
  if (f[6] != "") counted[f[1] " " f[2] " " f[4] " " f[5], f[3]] = f[6]
  next
}

FILENAME ~ /waiting.csv$/ {
  if (FNR > 1) waiting[++waitings] = $0
  next
}

FILENAME ~ /measurements.csv$/ {
  if (FNR == 1) next
  split($0, f, ",")
  setting = f[1] " " f[3] " " f[4] " " f[5] " " f[6] " " f[7]
  if (!(setting in seen)) {
    seen[setting] = 1
    order[++settings] = setting
  }
  lines[setting] = lines[setting] $0 "\n"
  rounds[setting, f[2], "wall"] = f[15]
  rounds[setting, f[2], "cpu"] = f[16]
  middle[setting, f[2], "wall"] = f[9]
  middle[setting, f[2], "cpu"] = f[10]
  if (f[17] != "") middle[setting, f[2], "transfers"] = f[17]
  if (f[14] != "ok") wrong++
  next
}

/^#/ || /^$/ { next }

{
  goals++
  split($0, part, "|")
  number[goals] = trim(part[1])
  what[goals] = trim(part[2])
  where[goals] = trim(part[3])
  ours[goals] = trim(part[4])
  references[goals] = trim(part[5])
  metric[goals] = trim(part[6])
  limit[goals] = trim(part[7])
}

# How much more is counted of ours; "" if it was not counted.
function count_more(setting, ours, reference) {
  if (!((setting, ours) in counted)) return ""
  if (reference == "-") return counted[setting, ours]
  if (!((setting, reference) in counted)) return ""
  return counted[setting, ours] - counted[setting, reference]
}

function print_goal(i,   reference, setting, value, verdict) {
  setting = where[i]
  if (metric[i] == "count") {
    reference = references[i]
    value = count_more(setting, ours[i], reference)
  } else if (metric[i] == "transfers") {
    reference = references[i]
    value = middle[setting, ours[i], "transfers"]
  } else if (references[i] ~ /^@/) {
    reference = "at 100"
    value = ratio(setting SUBSEP ours[i], substr(references[i], 2) SUBSEP ours[i],
      metric[i])
  } else {
    reference = best(setting, references[i], metric[i])
    value = ratio(setting SUBSEP ours[i], setting SUBSEP reference, metric[i])
  }
  if (reference == "") reference = references[i]
  if (value == "") verdict = "not measured here"
  else if (limit[i] == "-") verdict = ""
  else verdict = value + 0 <= limit[i] + 0 ? "met" : "**not met**"
  printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", number[i], what[i],
    ours[i], reference, (metric[i] == "cpu" ? "CPU" : metric[i]),
    (value == "" ? "-" : sprintf("%.3f", value)), limit[i], verdict
}

function print_copies(   names, n, i, value, kind) {
  print "\n## Copying\n"
  print "Wall time of the whole program, cached, medians; the copy is compared afterwards.\n"
  print "| what | program | ms | / cp |"
  print "| --- | --- | ---: | ---: |"
  n = split("256MiB cp,256MiB ovcp,256MiB dd-256k,files cp,files ovcp", names, ",")
  for (i = 1; i <= n; i++) {
    split(names[i], f, " ")
    kind = "copy " f[1]
    if (!((kind, f[2], "wall") in rounds)) continue
    m = split(rounds[kind, f[2], "wall"], list, " ")
    value = ratio(kind SUBSEP f[2], kind SUBSEP "cp", "wall")
    printf "| %s | %s | %.0f | %.2f |\n", f[1], f[2], median(list, m), value
  }
}

function print_counts(kind, title, text,   i, f) {
  print "\n## " title "\n"
  print text "\n"
  print "| operation | variant | block | depth | each |"
  print "| --- | --- | ---: | ---: | ---: |"
  for (i = 1; i <= count_lines; i++) {
    split(count_line[i], f, ",")
    if (f[1] == kind && f[6] != "")
      printf "| %s | %s | %s | %s | %.3f |\n", f[2], f[3], f[4], f[5], f[6]
  }
}

# Each line against the one of the same operation with the least at once.
function print_growth(   i, j, n, line, f, part, key) {
  print "\n## As the work grows\n"
  print "CPU time of each, by how many there are at once; plotted in [growth-cpu.svg](growth-cpu.svg).\n"
  print "| operation | variant | at once | ns CPU | / the first |"
  print "| --- | --- | ---: | ---: | ---: |"
  for (i = 1; i <= settings; i++) {
    split(order[i], part, " ")
    if (part[1] != "growth") continue
    n = split(lines[order[i]], line, "\n")
    for (j = 1; j < n; j++) {
      split(line[j], f, ",")
      key = f[3] " " f[2]
      if (!(key in least)) least[key] = f[10]
      printf "| %s | %s | %d | %s | %.2f |\n", f[3], f[2], f[7],
        nanoseconds(f[10]), (least[key] > 0 ? f[10] / least[key] : 0)
    }
  }
  print "\n| waiting tasks | bytes of memory each | page tables each | areas of the address space |"
  print "| ---: | ---: | ---: | ---: |"
  for (i = 1; i <= waitings; i++) {
    split(waiting[i], f, ",")
    printf "| %s | %s | %s | %s |\n", f[1], f[2], f[3], f[4]
  }
}

function print_setting(setting,   n, i, line, f, part) {
  split(setting, part, " ")
  printf "\n### %s: %s", part[1], part[2]
  if (part[3] != "-") printf ", %s, %s", part[3], part[4]
  printf ", block %s, depth %s\n\n", block_name(part[5]), part[6]
  print "| variant | per second | ns wall | ns CPU | wall / first | CPU / first | allocations | transfer calls |"
  print "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
  n = split(lines[setting], line, "\n")
  for (i = 1; i < n; i++) {
    split(line[i], f, ",")
    printf "| %s | %d | %s | %s | %.2f | %.2f | %.3f | %s |\n", f[2],
      (f[9] > 0 ? 1e9 / f[9] : 0), nanoseconds(f[9]), nanoseconds(f[10]),
      f[11], f[12], f[13], (f[17] == "" ? "" : sprintf("%.3f", f[17]))
  }
}

END {
  print "# What ovbench measured\n"
  printf "ovio %s, %s, %s.\n%s form; load averages when it was written: %s.\n",
    machine["version"], machine["date"], machine["machine"],
    machine["form"] == "quick" ? "Quick" : "Long", machine["load"]
  print "Checks of what was read and written: " (wrong ? wrong " WRONG" : "all right") ".\n"
  print "Made by `sh bench/run.sh`; [docs/performance.md](../../docs/performance.md) says how to read it."

  print "\n## Goals\n"
  print "Ratio of ours to the reference, the median of the ratios of each round. Of counts, how many more an operation takes.\n"
  print "| # | what | ours | reference | of | ratio | at most | |"
  print "| --- | --- | --- | --- | --- | ---: | ---: | --- |"
  for (i = 1; i <= goals; i++) print_goal(i)

  print_copies()
  print_growth()
  print_counts("instructions", "Instructions per operation", \
    "By callgrind, user code only, twice as many operations less once as many. `nothing` is the program around it.")
  print_counts("calls", "System calls per operation", "By `strace -f -c`, in the same way. Block `direct` is 4 KiB past the page cache.")
  print_counts("requests", "Requests to Wine's server per operation", "Each costs a round trip, so these decide under Wine.")

  print "\n## Memory\n"
  printf "`struct ovio_op` %d bytes, `struct ovio_file` %d, `struct ovio_group` %d. A waiting task takes %d bytes with its stack. ", \
    size["ovio_op"], size["ovio_file"], size["ovio_group"], size["waiting_task"]
  print "Allocations per operation are in the tables below."
  print "\n## From outside\n"
  printf "fio 4 KiB direct random reads, per second: psync %d, io_uring at depth 32 %d.\n", \
    fio["psync"], fio["io_uring"]

  print "\n## Everything"
  print "\n`pinned`, `depth`, `block`, `wine`: on one processor (of `depth` and `block` only what is cached); the others on all. Transfer calls: of the families of read and write, each operation; not the ring's."
  for (i = 1; i <= settings; i++) print_setting(order[i])
}
