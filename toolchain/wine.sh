#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a Windows program under Wine; also CMake's cross-compiling emulator.
#
#   wine.sh PROGRAM.exe [ARGUMENT...]
#   wine.sh --start     make the prefix and start the server, if need be
#   wine.sh --running   whether there is a server
#   wine.sh --stop      stop the server and whatever runs under it
#   wine.sh --remove    stop, and delete the prefix
#
# The prefix is build/wineprefix of this tree, or OVIO_WINEPREFIX.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
WINEPREFIX=${OVIO_WINEPREFIX:-$root/build/wineprefix}
# With LC_ALL=C every non-ASCII file name is mangled.
LC_ALL=C.UTF-8
WINEDEBUG=${OVIO_WINEDEBUG:--all}
# A crash costs one line, not winedbg's hundred; no Mono, no Gecko.
WINEDLLOVERRIDES='winedbg.exe=;mscoree=;mshtml='
export WINEPREFIX LC_ALL WINEDEBUG WINEDLLOVERRIDES
unset DISPLAY WAYLAND_DISPLAY LANG LANGUAGE

# Not Debian's /usr/bin/wine: that is a script with remarks about wine32.
if [ -x /usr/lib/wine/wine64 ]; then
  wine=/usr/lib/wine/wine64
  server=/usr/lib/wine/wineserver
else
  wine=$(command -v wine64 || command -v wine) ||
    { echo "wine.sh: no Wine on this machine" >&2; exit 127; }
  server=$(command -v wineserver)
fi

# Wine 8 must have the page at 0x7ffe0000, and a randomised address space has
# something there once in some thousand processes (docs/wine.md).
noaslr=$root/toolchain/noaslr.sh

running() {
  "$server" -k0 >/dev/null 2>&1
}

# The first program under a server starts Windows' services, and they keep
# its streams open for good: were those a pipe, its reader would never see
# the end. Hence a persistent server and one idle program of our own first.
# The server ends by itself two minutes after its last client.
start_server() {
  "$server" -p120 >/dev/null 2>&1 </dev/null 9>&-
  sh "$noaslr" "$wine" wineboot >/dev/null 2>&1 </dev/null 9>&-
}

make_prefix() {
  mkdir -p "$WINEPREFIX"
  start_server
  # A new prefix calls itself Windows 7.
  sh "$noaslr" "$wine" winecfg -v win10 >/dev/null 2>&1 </dev/null 9>&-
  : >"$WINEPREFIX/.ovio-ready"
}

# Several tests may come here at once: the lock lets one do the work. It is
# descriptor 9, closed for Wine's processes, which outlive us.
start() {
  if [ -e "$WINEPREFIX/.ovio-ready" ] && running; then return 0; fi
  mkdir -p "$(dirname "$WINEPREFIX")"
  exec 9>"$WINEPREFIX.lock"
  flock 9
  if [ ! -e "$WINEPREFIX/.ovio-ready" ]; then
    make_prefix
  elif ! running; then
    start_server
  fi
  exec 9>&-
}

stop() {
  [ -d "$WINEPREFIX" ] || return 0
  if running; then
    "$server" -k >/dev/null 2>&1 || true
    "$server" -w >/dev/null 2>&1 || true
  fi
}

case ${1-} in
  --start) start ;;
  --running) running ;;
  --stop) stop ;;
  --remove) stop; rm -rf "$WINEPREFIX" "$WINEPREFIX.lock" ;;
  '') echo "usage: wine.sh PROGRAM.exe [ARGUMENT...]" >&2; exit 2 ;;
  *) start; exec sh "$noaslr" "$wine" "$@" ;;
esac
