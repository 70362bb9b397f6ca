#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ovcp from end to end: what it copies, what it says, what it leaves behind.
#
#   ovcp.sh SCRATCH [EMULATOR...] PROGRAM
#
# SCRATCH is a folder that is made anew and removed; PROGRAM is an absolute
# path, a Windows program if it ends in .exe. Says "ok CASE", "FAILED CASE:
# why" or "SKIP: why" for each case; the status is 1 after a failure.
set -u
LC_ALL=C.UTF-8
export LC_ALL
umask 022

scratch=$1
shift
windows=false
for word; do
  case $word in *.exe) windows=true ;; *) windows=false ;; esac
done
rm -rf "$scratch"
mkdir -p "$scratch" && cd "$scratch" || exit 1
scratch=$(pwd -P)
chmod 755 .
memory=
process=
trap 'if [ -n "$process" ]; then kill -KILL $process; fi
cd / && chmod -R u+rwX "$scratch" && rm -rf "$scratch" "$memory"' EXIT
trap 'exit 1' HUP INT TERM

# ./ovcp is EMULATOR... PROGRAM, each word quoted.
{
  printf '#!/bin/sh\nexec'
  for word; do
    printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
  done
  printf ' "$@"\n'
} >ovcp
chmod 755 ovcp
ovcp=$scratch/ovcp

failures=0
name=
bad=

# begin CASE: in an empty folder of its own.
begin() {
  name=$1
  bad=
  cd "$scratch" && mkdir "$1" && cd "$1" || exit 1
}

# Only the first thing that goes wrong is told.
wrong() {
  bad=${bad:-$*}
}

end() {
  if [ -z "$bad" ]; then
    echo "ok $name"
  else
    echo "FAILED $name: $bad"
    if [ -s err ]; then sed 's/^/  | /' err; fi
    failures=$((failures + 1))
  fi
}

skip() {
  echo "SKIP: $name: $*"
}

# run STATUS ARGUMENT...: ovcp must end like that, and leave no temporary.
run() {
  wanted=$1
  shift
  "$ovcp" "$@" >out 2>err </dev/null
  status=$?
  [ $status -eq "$wanted" ] || wrong "ovcp $*: status $status, not $wanted"
  no_temporaries
}

no_temporaries() {
  left=$(find . -name '.ov[ci][po]-*' | head -n 1)
  [ -z "$left" ] || wrong "$left is left over"
}

says() {
  sed 's|\\|/|g' err | grep -qF -e "$1" || wrong "no message '$1'"
}

same() {
  cmp -s "$1" "$2" || wrong "$1 and $2 differ"
}

same_tree() {
  diff -r "$1" "$2" >log 2>&1 || wrong "$1 and $2 differ: $(head -n 1 log)"
}

is() {
  [ "$(cat "$1" 2>/dev/null)" = "$2" ] || wrong "$1 is not '$2'"
}

absent() {
  [ ! -e "$1" ] || wrong "$1 is there"
}

# random FILE BYTES
random() {
  head -c "$2" /dev/urandom >"$1"
}

# ---- What is copied ----

begin file
random a 1000000
chmod 640 a
touch -d '2001-02-03 04:05:06' a
run 0 a b
same a b
[ "$(stat -c %Y a)" = "$(stat -c %Y b)" ] || wrong "the time is not kept"
$windows || [ "$(stat -c %a b)" = 640 ] || wrong "the mode is not kept"
grep -q '^ovcp: 1 file, 976.6 KiB in ' out || wrong "no summary"
[ ! -s err ] || wrong "a message"
random a 5
run 0 -q a b
same a b
[ ! -s out ] || wrong "-q is not quiet"
end

begin sizes
for size in 0 1 4095 4096 4097 8192 100000; do
  random "f$size" $size
done
mkdir one many direct
run 0 -q -j1 -b 4096 f* one
run 0 -q --jobs=64 --block 1K --verify f* many
run 0 -q --direct -b 4K -j 3 --verify f* direct
for file in f*; do
  same "$file" "one/$file"
  same "$file" "many/$file"
  same "$file" "direct/$file"
done
end

begin tree
mkdir -p tree/empty 'tree/a b/c'
count=2000
$windows && count=500
folder=0
while [ $folder -lt 10 ]; do
  mkdir tree/$folder
  seq $folder 10 $((count - 1)) | (cd tree/$folder && xargs touch)
  folder=$((folder + 1))
done
seq $((count * 50)) | split -l 100 -a 3 - tree/text-
random tree/large 3000001
random 'tree/a b/c/naïve ☃ 𝄞' 10
touch -d '2001-02-03' 'tree/a b'
run 0 -r -V tree copy
same_tree tree copy
grep -q 'verified' out || wrong "does not say that it verified"
[ "$(stat -c %Y tree/a\ b)" = "$(stat -c %Y copy/a\ b)" ] ||
  wrong "a directory's time is not kept"
echo new >tree/0/0
rm tree/1/1
run 0 -qr tree/. copy
is copy/0/0 new
[ -e copy/1/1 ] || wrong "a file only in the target is gone"
run 0 -q -R tree/ copy
same_tree tree copy/tree
end

begin deep
long=$(printf '%0200d' 0)
mkdir -p "d/$long/$long/$long"
echo deep >"d/$long/$long/$long/$long"
run 0 -qr d e
same_tree d e
end

begin several
mkdir to
echo a >a
echo b >b
run 0 -q a b to
is to/a a
is to/b b
run 0 -q -- a to
mkdir x y
echo x >x/f
echo y >y/f
run 1 -q x/f y/f to
says "will not overwrite just-created"
is to/f x
end

begin large
# Data around 4 GiB in a file that is mostly holes. In memory if possible: there
# holes are read fast.
memory=$(mktemp -d /dev/shm/ovcp.XXXXXX 2>/dev/null)
if [ -n "$memory" ]; then cd "$memory" || exit 1; fi
truncate -s 4295000001 a 2>err
if [ -s err ] || [ "$(du -k a | cut -f 1)" -gt 1000 ]; then
  skip "no sparse files here"
elif [ "$(df -k . | awk 'NR == 2 { print $4 }')" -lt 5000000 ]; then
  skip "less than 5 GB free"
else
  for at in 0 4194303 4194304; do
    echo "data at $at" | dd of=a bs=1024 seek=$at conv=notrunc 2>log
  done
  run 0 -b 4M a b
  same a b
  [ "$(du -k b | cut -f 1)" -lt 100000 ] || wrong "the holes are filled"
  end
fi
cd "$scratch" && rm -rf "$memory" large

# ---- What is refused ----

begin usage
run 1
says "missing file operand"
run 1 a
says "missing destination file operand after 'a'"
run 1 --nonsense a b
says "unrecognized option '--nonsense'"
run 1 -j 0 a b
run 1 -b 1X a b
run 1 -b
run 1 --direct -b 1000 a b
run 0 --help
grep -q '^Usage: ovcp' out || wrong "no usage"
run 0 --version
end

begin missing
echo a >a
mkdir to
run 1 nothing b
says "ovcp: cannot stat 'nothing': not found"
absent b
run 1 a b to/nothing
says "target 'to/nothing': not found"
run 1 a nowhere/b
says "cannot create regular file 'nowhere/b': not found"
run 1 a new/
says "cannot create regular file 'new/'"
# What is well goes on.
run 1 nothing a to
is to/a a
end

begin directories
mkdir -p d/sub e to/a
echo a >a
run 1 d new
says "-r not specified; omitting directory 'd'"
absent new
run 1 a a a
says "target 'a' is not a directory"
run 1 -r d a
says "cannot overwrite non-directory 'a' with directory 'd'"
is a a
run 1 a to
says "cannot overwrite directory 'to/a' with non-directory"
run 1 -r d d
says "cannot copy a directory, 'd', into itself, 'd/d'"
run 1 -r d d/sub/new
says "into itself"
run 1 -r d/. d/sub
says "into itself"
run 1 -r . d/sub
says "into itself"
run 0 -qr d dd
[ "$(find d dd)" = "$(printf 'd\nd/sub\ndd\ndd/sub')" ] || wrong "$(find d dd)"
end

begin same_file
echo a >a
ln a hard
run 1 a a
says "'a' and 'a' are the same file"
run 1 a ./a
run 1 a hard
says "'a' and 'hard' are the same file"
run 1 a .
says "are the same file"
is a a
end

if $windows; then
  begin read_only
  echo new >a
  echo old >b
  chmod 444 b
  # Windows refuses to write there; Wine only if the user may not.
  if [ "$(id -u)" -ne 0 ]; then
    run 1 a b
    says "cannot create regular file 'b': permission denied"
    is b old
  fi
  chmod 444 a
  run 0 -q a c
  is c new
  end
else
  begin links
  mkdir tree
  ln -s nowhere tree/dangling
  ln -s .. tree/up
  echo a >tree/file
  ln -s file tree/link
  run 0 -qr tree copy
  [ "$(readlink copy/dangling)" = nowhere ] || wrong "dangling"
  [ "$(readlink copy/up)" = .. ] || wrong "up"
  [ "$(readlink copy/link)" = file ] || wrong "link"
  run 0 -qr tree/. copy
  run 0 -q tree/link followed
  [ -f followed ] || wrong "an operand is not copied"
  [ ! -L followed ] || wrong "an operand is not followed"
  # A target that is a link is written through, as by cp.
  echo new >new
  run 0 -q new copy/link
  is copy/file new
  [ -L copy/link ] || wrong "the link is gone"
  run 1 new copy/dangling
  says "not writing through dangling link 'copy/dangling'"
  run 1 tree/file tree/link
  says "are the same file"
  end

  begin special
  mkdir tree
  mkfifo tree/fifo
  echo a >tree/file
  run 1 -r tree copy
  says "'tree/fifo' is a special file: skipped"
  is copy/file a
  run 1 tree/file tree/fifo
  says "'tree/fifo' is a special file: not replaced"
  [ -p tree/fifo ] || wrong "the fifo is gone"
  # A file that has no size, but contents.
  if [ -r /proc/version ]; then
    run 0 -q /proc/version version
    is version "$(cat /proc/version)"
  fi
  end

  begin permission
  mkdir -p tree/locked to
  echo a >a
  echo a >tree/unreadable
  echo b >tree/b
  echo old >old
  cp a to/old
  chmod 000 tree/unreadable tree/locked
  chmod 444 old
  user=
  if [ "$(id -u)" -eq 0 ]; then
    user='setpriv --reuid=65534 --regid=65534 --clear-groups'
    chown -R 65534:65534 .
  fi
  # shellcheck disable=SC2086  # words
  if ! $user "$ovcp" --version >/dev/null 2>&1; then
    skip "root, and cannot become anybody else"
  else
    # As run, but never as root.
    run_as_user() {
      # shellcheck disable=SC2086  # words
      $user "$ovcp" "$@" >out 2>err </dev/null
      status=$?
      [ $status -eq 1 ] || wrong "ovcp $*: status $status, not 1"
      no_temporaries 2>/dev/null
    }
    run_as_user -r tree copy
    says "cannot open 'tree/unreadable' for reading: permission denied"
    says "cannot read directory 'tree/locked': permission denied"
    is copy/b b
    absent copy/unreadable
    run_as_user a old
    says "cannot create regular file 'old': permission denied"
    is old old
    chmod 555 to
    run_as_user a to/new
    says "cannot create regular file 'to/new': permission denied"
    absent to/new
    # Modes that lock us out come last.
    chmod -R u+rwX tree to
    rm -rf tree/locked tree/unreadable copy
    chmod 555 tree
    # shellcheck disable=SC2086  # words
    $user "$ovcp" -qr tree copy || wrong "a read-only directory"
    is copy/b b
    [ "$(stat -c %a copy)" = 555 ] || wrong "the directory's mode is not kept"
    end
  fi
fi

begin full_disk
# In a mount name space of its own, so that nothing can stay mounted.
random big 3000000
mkdir disk
cat >full.sh <<'END'
mount -t tmpfs -o size=1m none disk 2>/dev/null || exit 99
echo old >disk/old
"$@" big disk/new && exit 1
"$@" big disk/old && exit 2
[ -z "$(ls -A disk | grep -v '^old$')" ] || exit 3
[ "$(cat disk/old)" = old ] || exit 4
"$@" -q full.sh disk/small || exit 5
cmp full.sh disk/small || exit 6
END
if $windows; then
  # Wine's server is outside of it.
  skip "Wine does not see another mount name space"
else
  privilege=-m
  [ "$(id -u)" -eq 0 ] || privilege=-rm
  unshare $privilege sh full.sh "$ovcp" >out 2>err </dev/null
  status=$?
  if grep -q '^unshare' err || [ $status -eq 99 ]; then
    skip "cannot mount: $(head -n 1 err)"
  else
    [ $status -eq 0 ] || wrong "step $status"
    says "error writing 'disk/new': no space left"
    end
  fi
fi

# ---- What happens meanwhile ----

# start TARGET ARGUMENT...: begins a slow copy of `a`, one tiny block after the
# other, and stops the process in its middle. $temporary is what it writes.
start() {
  slow=$least
  until start_once "$@"; do
    slow=$((slow * 4))
    if [ $slow -gt 1000000 ]; then
      wrong "cannot be stopped in the middle"
      return
    fi
  done
}

start_once() {
  target=$1
  shift
  rm -f new
  echo old >old
  random a $slow
  $background "$ovcp" -j 1 -b 4 "$@" a "$target" >out 2>err </dev/null &
  process=$!
  while kill -0 $process 2>/dev/null; do
    begun || continue
    kill -STOP $process
    # Not finished meanwhile, that is.
    if begun; then return 0; fi
    kill -CONT $process
  done
  wait $process
  return 1
}

# The temporary is made in its full length, and then filled.
begun() {
  temporary=$(find . -name '.ovcp-*' -size +0)
  [ -n "$temporary" ] && cmp -s -n 4 a "$temporary"
}

# finish STATUS
finish() {
  kill -CONT $process
  wait $process 2>/dev/null
  status=$?
  process=
  [ $status -eq "$1" ] || wrong "status $status, not $1"
  no_temporaries
}

background=
least=20000

begin shrinking
start old
: >a
finish 1
says "'a' shrank while it was copied"
is old old
end

begin growing
start new
absent new
echo more >>a
finish 1
says "'a' grew while it was copied"
absent new
end

begin changing
start new
printf X | dd of=a bs=1 conv=notrunc 2>log
finish 1
says "'a' changed while it was copied"
absent new
end

begin verify
start old --verify
# What has been copied stays wrong, the rest is written over.
random "$temporary" $slow
finish 1
says "'a' and its copy 'old' differ"
is old old
end

# A shell starts what runs in the background with SIGINT ignored.
if env --default-signal=INT true 2>/dev/null; then
  background='env --default-signal=INT'
fi
least=100000

begin interrupt
if [ -z "$background" ]; then
  skip "env has no --default-signal"
else
  start old
  kill -INT $process
  # 0xC000013A, as far as a status here has room for it.
  if $windows; then finish 58; else finish 130; fi
  says "interrupted"
  is old old
  end
fi

if ! $windows; then
  # The old file or the whole new one, and a next run that works. What is left
  # of the killed one is called .ovcp-*.
  begin killed
  rounds=${OVIO_TEST_KILLS:-12}
  seed=${OVIO_TEST_SEED:-$$}
  random a 3000000
  for delay in $(awk -v n="$rounds" -v seed="$seed" 'BEGIN {
      srand(seed); while (n-- > 0) printf "%.4f\n", rand() * 0.06 }'); do
    echo old >old
    "$ovcp" -b 4096 a old >out 2>err </dev/null &
    process=$!
    sleep "$delay"
    kill -KILL $process 2>/dev/null || true
    wait $process 2>/dev/null || true
    process=
    [ "$(cat old)" = old ] 2>/dev/null || cmp -s a old ||
      wrong "neither old nor new after $delay s, seed $seed"
    rm -f .ovcp-*
  done
  run 0 a old
  same a old
  end

  begin terminate
  start new
  kill -TERM $process
  finish 143
  absent new
  end

  begin terminal
  if ! script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    skip "no script command"
  else
    random a 250000
    script -qec "'$ovcp' -j 1 -b 4 a b" /dev/null >out 2>err </dev/null
    same a b
    grep -q '% \[=* *\] ' out || wrong "no bar on a terminal"
    end
  fi
fi

[ $failures -eq 0 ]
