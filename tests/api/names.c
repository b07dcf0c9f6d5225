/* SPDX-License-Identifier: MIT */
/* What the library says about itself: version, statuses, strategies, backends. */
#include <stdio.h>
#include <string.h>

#include "check.h"

static int is_one_line(const char* text) { return text != NULL && text[0] != '\0' && strchr(text, '\n') == NULL; }

static void version(void) {
  char numbers[32];
  snprintf(numbers, sizeof numbers, "%d.%d.%d", EPLB_VERSION_MAJOR, EPLB_VERSION_MINOR, EPLB_VERSION_PATCH);
  CHECK(eplb_version() == EPLB_VERSION);
  CHECK(is_one_line(eplb_build_info()));
  CHECK(strstr(eplb_build_info(), numbers) != NULL);
}

static void statuses(void) {
  static const char* const names[] = {"EPLB_SUCCESS",
                                      "EPLB_NOT_READY",
                                      "EPLB_ERROR_INVALID_ARGUMENT",
                                      "EPLB_ERROR_INVALID_LOAD",
                                      "EPLB_ERROR_INVALID_PLACEMENT",
                                      "EPLB_ERROR_INVALID_STATE",
                                      "EPLB_ERROR_STRUCT_SIZE",
                                      "EPLB_ERROR_BUFFER_TOO_SMALL",
                                      "EPLB_ERROR_OUT_OF_MEMORY",
                                      "EPLB_ERROR_UNAVAILABLE",
                                      "EPLB_ERROR_CANCELLED",
                                      "EPLB_ERROR_CUDA",
                                      "EPLB_ERROR_INTERNAL"};
  static const eplb_status unknown[] = {-1, EPLB_ERROR_INTERNAL + 1, INT32_MAX, INT32_MIN};
  eplb_status status;
  size_t i;
  for (status = EPLB_SUCCESS; status <= EPLB_ERROR_INTERNAL; ++status) {
    CHECK(strcmp(eplb_status_name(status), names[status]) == 0);
    CHECK(is_one_line(eplb_status_string(status)));
    CHECK(status == 0 || strcmp(eplb_status_string(status), eplb_status_string(status - 1)) != 0);
  }
  for (i = 0; i < sizeof unknown / sizeof *unknown; ++i) {
    CHECK(is_one_line(eplb_status_name(unknown[i])));
    CHECK(is_one_line(eplb_status_string(unknown[i])));
  }
}

static void strategies(void) {
  const int32_t count = eplb_strategy_count(); /* their names: abi.layout */
  int32_t s;
  CHECK(count > EPLB_STRATEGY_SEARCH);
  for (s = 0; s < count; ++s) {
    CHECK(is_one_line(eplb_strategy_name(s)));
    CHECK(is_one_line(eplb_strategy_description(s)));
    CHECK(eplb_strategy_from_name(eplb_strategy_name(s)) == s);
  }
  CHECK(eplb_strategy_name(-1) == NULL && eplb_strategy_name(count) == NULL);
  CHECK(eplb_strategy_from_name(NULL) == -1 && eplb_strategy_from_name("") == -1);
  CHECK(eplb_strategy_from_name("LPT") == -1 && eplb_strategy_from_name("lpt-") == -1);
  CHECK(eplb_strategy_description(-1) == NULL && eplb_strategy_description(count) == NULL);
}

static void backends(void) {
  static const char* const names[] = {"auto", "cpu", "cuda"};
  const int32_t count = eplb_backend_count();
  int32_t b;
  CHECK(count == EPLB_BACKEND_CUDA + 1);
  for (b = 0; b < count; ++b) CHECK(strcmp(eplb_backend_name(b), names[b]) == 0);
  CHECK(eplb_backend_name(-1) == NULL && eplb_backend_name(count) == NULL);
  CHECK_OK(eplb_backend_available(EPLB_BACKEND_AUTO, &check_error));
  CHECK_OK(eplb_backend_available(EPLB_BACKEND_CPU, &check_error));
  CHECK(eplb_backend_available(EPLB_BACKEND_CPU, NULL) == EPLB_SUCCESS);
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "-1", eplb_backend_available(-1, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "3", eplb_backend_available(count, &check_error));
}

static void devices(void) {
  char text[256], part[256];
  CHECK(eplb_device_count(EPLB_BACKEND_CPU) == 1);
  CHECK(eplb_device_count(EPLB_BACKEND_AUTO) == 0 && eplb_device_count(-1) == 0);
  CHECK(eplb_device_count(eplb_backend_count()) == 0);
  CHECK_OK(eplb_device_describe(EPLB_BACKEND_CPU, 0, text, sizeof text, &check_error));
  CHECK(is_one_line(text));
  memset(part, '?', sizeof part);
  CHECK_OK(eplb_device_describe(EPLB_BACKEND_CPU, 0, part, 4, &check_error));
  CHECK(strlen(part) == 3 && memcmp(part, text, 3) == 0 && part[4] == '?');
  CHECK_OK(eplb_device_describe(EPLB_BACKEND_CPU, 0, part, 1, &check_error));
  CHECK(part[0] == '\0');

  part[0] = '?';
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "backend|0",
              eplb_device_describe(EPLB_BACKEND_AUTO, 0, part, sizeof part, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "backend|3",
              eplb_device_describe(EPLB_BACKEND_CUDA + 1, 0, part, sizeof part, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "device|1",
              eplb_device_describe(EPLB_BACKEND_CPU, 1, part, sizeof part, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "device|-1",
              eplb_device_describe(EPLB_BACKEND_CPU, -1, part, sizeof part, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "text", eplb_device_describe(EPLB_BACKEND_CPU, 0, part, 0, &check_error));
  CHECK_FAILS(EPLB_ERROR_INVALID_ARGUMENT, "text",
              eplb_device_describe(EPLB_BACKEND_CPU, 0, NULL, sizeof part, &check_error));
  CHECK(part[0] == '?');
}

int main(void) {
  version();
  statuses();
  strategies();
  backends();
  devices();
  return check_report();
}
