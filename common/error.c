/* SPDX-License-Identifier: MIT */
/* Names and texts of errors, from the one table in ovio.h. */
#include "ovio.h"

const char *ovio_error_name(int error) {
  switch (error) {
#define ERROR_NAME(name, value, text)                                          \
  case OVIO_##name:                                                            \
    return "OVIO_" #name;
    OVIO_ERRORS(ERROR_NAME)
#undef ERROR_NAME
  default:
    return error >= 0 ? "OVIO_OK" : "OVIO_E?";
  }
}

const char *ovio_error_text(int error) {
  switch (error) {
#define ERROR_TEXT(name, value, text)                                          \
  case OVIO_##name:                                                            \
    return text;
    OVIO_ERRORS(ERROR_TEXT)
#undef ERROR_TEXT
  default:
    return error >= 0 ? "success" : "not an error of ovio";
  }
}

const char *ovio_version(void) {
  return OVIO_VERSION;
}
