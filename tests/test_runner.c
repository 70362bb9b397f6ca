/* SPDX-License-Identifier: MIT */
/* The tests' own runner. */
#include "support.h"

static void nothing(struct test *test) {
  TRY(test->mode);
}

static void test_a_missing_mode_needs_a_reason(struct test *test) {
  const struct test_case fine[] = {
      TEST(nothing),
      TEST_PLAIN(nothing, "a reason"),
      TEST_LOOP(nothing, "a reason"),
      TEST_ENGINES(nothing),
  };
  const struct test_case plain[] = {TEST(nothing), TEST_PLAIN(nothing, "")};
  const struct test_case loop[] = {TEST(nothing), TEST_LOOP(nothing, "")};
  const struct test_case none[] = {{"nothing", nothing, "a", "b", false}};
  TRY(test_reasons_are_given(fine, sizeof fine / sizeof *fine));
  TRY(!test_reasons_are_given(plain, 2));
  TRY(!test_reasons_are_given(loop, 2));
  TRY(!test_reasons_are_given(none, 1));
}

static void test_this_mode_is_a_mode(struct test *test) {
  TRY_EQ(test->mode->loop, ovio_loop_current() != NULL);
  TRY(ovio_loop_current() == test->loop);
}

int main(void) {
  const struct test_case cases[] = {
      TEST(test_a_missing_mode_needs_a_reason),
      TEST(test_this_mode_is_a_mode),
  };
  return test_main(cases, sizeof cases / sizeof *cases);
}
