# SPDX-License-Identifier: MIT
#
# Reads ctest's LastTest.log. Writes a line "passed failed skipped", then one
# line for each failure and for each reason to skip.
#
# An executable that sums itself up as cmocka does counts case by case; any
# other test counts as one. A test that crashes, times out, or fails without
# a failed case (a sanitizer's report at the end) is one failure.

function note(text) { notes = notes "    " test ": " text "\n" }

function finish() {
  if (test == "") return
  # Cases of a group that never came to its summary.
  case_passed += unsummed
  if (running != "") {
    case_failed++
    note("FAILED in " running ": " verdict)
  }
  # cmocka's exit status is the number of failures, so 77 of them would look
  # skipped: only without a failed case is the verdict looked at.
  if (!case_failed && verdict !~ /Pass|Skipped/) {
    case_failed = 1
    note("FAILED: " (verdict == "" ? "it never ended" : verdict))
  }
  if (!case_passed && !case_failed && !case_skipped) {
    if (verdict ~ /Skipped/) case_skipped = 1
    else case_passed = 1
  }
  if (case_skipped && !reasons) note("SKIP: no reason given")
  passed += case_passed
  failed += case_failed
  skipped += case_skipped
  test = ""
}

{ sub(/\r$/, "") }

/^[0-9]+\/[0-9]+ Testing: / {
  finish()
  test = $3
  verdict = listed = running = ""
  in_output = 0
  case_passed = case_failed = case_skipped = reasons = unsummed = 0
}

/^Output:$/ { in_output = 1 }
/<end of output>$/ { in_output = 0 }

!in_output {
  if (/^Test / && !/^Test time =/ && verdict == "") verdict = $0
  next
}

/^\[ RUN      \] / { running = $4 }
/^\[       OK \] / { running = ""; unsummed++ }

# One line for each case when it ends, then a summary with the same mark.
/^\[  (PASSED |FAILED |SKIPPED) \] / {
  mark = $2
  if ($0 !~ /\] [0-9]+ test\(s\)/) {
    if (listed == "") running = ""
    else if (listed == "FAILED") note("FAILED in " substr($0, 14))
    next
  }
  if (mark == "PASSED") case_passed += $4
  else if (mark == "FAILED") case_failed += $4
  else case_skipped += $4
  listed = mark
}

/^\[==========\] / {
  listed = ""
  unsummed = 0
}

/^SKIP: / {
  reasons++
  if (!((test, $0) in told)) note($0)
  told[test, $0] = 1
}

END {
  finish()
  printf "%d %d %d\n%s", passed, failed, skipped, notes
}
