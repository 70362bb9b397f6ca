# SPDX-License-Identifier: MIT
#
# io_uring through liburing, where it is there: OVIO_HAS_URING.

option(OVIO_URING "Use io_uring if liburing 2.2 or newer is there" ON)

set(OVIO_HAS_URING FALSE)
if(OVIO_URING AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  include(CheckCSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES uring)
  check_c_source_compiles(
    "
    #include <liburing.h>
    int main(void) {
      struct io_uring_params params = {.flags = IORING_SETUP_COOP_TASKRUN};
      struct io_uring ring;
      struct io_uring_cqe *cqe;
      struct __kernel_timespec time = {0, 0};
      return io_uring_queue_init_params(8, &ring, &params) +
             io_uring_submit_and_get_events(&ring) +
             io_uring_submit_and_wait_timeout(&ring, &cqe, 1, &time, 0);
    }
    "
    OVIO_LIBURING_WORKS
  )
  unset(CMAKE_REQUIRED_LIBRARIES)
  set(OVIO_HAS_URING ${OVIO_LIBURING_WORKS})
endif()
