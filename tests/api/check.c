/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <stdio.h>
#include <string.h>

eplb_error check_error;
static const eplb_error unwritten = {sizeof(eplb_error), -1, "not written"};
static int failures;

int check_that(int holds, const char* text, const char* file, int line) {
  if (!holds) {
    ++failures;
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
  }
  return holds;
}

void check_begin(void) { check_error = unwritten; }

int check_ok(eplb_status status, const char* text, const char* file, int line) {
  const int holds = status == EPLB_SUCCESS && memcmp(&check_error, &unwritten, sizeof unwritten) == 0;
  if (!check_that(holds, text, file, line)) {
    fprintf(stderr, "  %s: %s\n", eplb_status_name(status), check_error.message);
  }
  return holds;
}

static int contains_all(const char* sentence, const char* words) {
  while (*words != '\0') {
    char word[64];
    const size_t length = strcspn(words, "|");
    snprintf(word, sizeof word, "%.*s", (int)length, words);
    if (strstr(sentence, word) == NULL) return 0;
    words += length + (words[length] == '|');
  }
  return 1;
}

int check_fails(eplb_status expected, const char* words, eplb_status status, const char* text, const char* file,
                int line) {
  const int holds = status == expected && check_error.status == status &&
                    memchr(check_error.message, '\0', sizeof check_error.message) != NULL &&
                    strlen(check_error.message) > 10 && contains_all(check_error.message, words);
  if (!check_that(holds, text, file, line)) {
    fprintf(stderr, "  wanted %s naming %s\n  got %s: %.500s\n", eplb_status_name(expected), words,
            eplb_status_name(status), check_error.message);
  }
  return holds;
}

int check_says(eplb_status expected, const char* sentence, eplb_status status, const char* text, const char* file,
               int line) {
  const int holds = check_fails(expected, "", status, text, file, line);
  if (strcmp(check_error.message, sentence) == 0) return holds;
  check_that(0, text, file, line);
  fprintf(stderr, "  wanted: %s\n  got: %.500s\n", sentence, check_error.message);
  return 0;
}

int check_report(void) {
  if (failures != 0) fprintf(stderr, "%d expectations were not met\n", failures);
  return failures != 0;
}
