/* SPDX-License-Identifier: MIT */
/* Expectations for programs in plain C. A failed one prints where it stands and goes on; main()
 * ends with `return check_report();`. Calls under test are given &check_error. */
#ifndef EPLB_TESTS_CHECK_H
#define EPLB_TESTS_CHECK_H

#include <eplb/eplb.h>

#ifdef __cplusplus
extern "C" {
#endif

extern eplb_error check_error;

/* Expects a condition to hold. */
#define CHECK(condition) check_that((condition) != 0, #condition, __FILE__, __LINE__)
/* Expects a call to succeed and to leave check_error alone. */
#define CHECK_OK(call) (check_begin(), check_ok((call), #call, __FILE__, __LINE__))
/* Expects a call to fail with a status, and its sentence to contain each of the words, which are
 * separated by '|'. */
#define CHECK_FAILS(status, words, call) \
  (check_begin(), check_fails((status), (words), (call), #call, __FILE__, __LINE__))
/* The same with the whole sentence. */
#define CHECK_SAYS(status, sentence, call) \
  (check_begin(), check_says((status), (sentence), (call), #call, __FILE__, __LINE__))

/* Each returns whether what was expected is so. */
int check_that(int holds, const char* text, const char* file, int line);
int check_ok(eplb_status status, const char* text, const char* file, int line);
int check_fails(eplb_status expected, const char* words, eplb_status status, const char* text, const char* file,
                int line);
int check_says(eplb_status expected, const char* sentence, eplb_status status, const char* text, const char* file,
               int line);
void check_begin(void);
/* Exit status of the program. */
int check_report(void);

#ifdef __cplusplus
}
#endif
#endif
