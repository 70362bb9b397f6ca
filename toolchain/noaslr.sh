#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a program without address space randomisation, where that is allowed
# (containers may forbid it), and just runs it where not.
if setarch -R true 2>/dev/null; then exec setarch -R "$@"; fi
exec "$@"
