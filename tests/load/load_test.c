/* SPDX-License-Identifier: MIT */
/* What a runtime that knows only the file does: load the library, plan, unload it, again and again,
 * and in the child of a fork. It prints nothing and leaves no thread behind. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eplb/eplb.h>

enum { ROUNDS = 50, EXPERTS = 4, SLOTS = 6 };

static FILE* report; /* the standard streams are watched for output */

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(report, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
      _exit(1);                                                                   \
    }                                                                             \
  } while (0)

static int count_threads(void) {
  DIR* tasks = opendir("/proc/self/task");
  int count = -2; /* . and .. */
  REQUIRE(tasks != NULL);
  while (readdir(tasks) != NULL) ++count;
  closedir(tasks);
  return count;
}

/* A joined thread may be listed for a moment longer. */
static int threads_become(int expected) {
  int attempt;
  for (attempt = 0; count_threads() != expected && attempt < 1000; ++attempt) usleep(1000);
  return count_threads() == expected;
}

typedef struct library {
  void* handle;
  __typeof__(&eplb_shape_init) shape_init;
  __typeof__(&eplb_options_init) options_init;
  __typeof__(&eplb_input_init) input_init;
  __typeof__(&eplb_maps_init) maps_init;
  __typeof__(&eplb_create) create;
  __typeof__(&eplb_submit_weights) submit_weights;
  __typeof__(&eplb_get_maps) get_maps;
  __typeof__(&eplb_destroy) destroy;
} library;

static void* find(void* handle, const char* name) {
  void* symbol = dlsym(handle, name);
  REQUIRE(symbol != NULL);
  return symbol;
}

static library load(const char* path) {
  library l;
  l.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (l.handle == NULL) fprintf(report, "%s\n", dlerror());
  REQUIRE(l.handle != NULL);
  *(void**)&l.shape_init = find(l.handle, "eplb_shape_init");
  *(void**)&l.options_init = find(l.handle, "eplb_options_init");
  *(void**)&l.input_init = find(l.handle, "eplb_input_init");
  *(void**)&l.maps_init = find(l.handle, "eplb_maps_init");
  *(void**)&l.create = find(l.handle, "eplb_create");
  *(void**)&l.submit_weights = find(l.handle, "eplb_submit_weights");
  *(void**)&l.get_maps = find(l.handle, "eplb_get_maps");
  *(void**)&l.destroy = find(l.handle, "eplb_destroy");
  return l;
}

/* Loads, plans with a number of threads, and unloads. */
static void one_round(const char* path, int32_t num_threads) {
  static const float loads[EXPERTS] = {96, 30, 20, 10};
  const int threads_before = count_threads();
  const library l = load(path);
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  eplb_context* context = NULL;
  int32_t experts[SLOTS] = {-1, -1, -1, -1, -1, -1};
  REQUIRE(l.shape_init(&shape, sizeof shape) == EPLB_SUCCESS);
  REQUIRE(l.options_init(&options, sizeof options) == EPLB_SUCCESS);
  REQUIRE(l.input_init(&input, sizeof input) == EPLB_SUCCESS);
  REQUIRE(l.maps_init(&maps, sizeof maps) == EPLB_SUCCESS);
  shape.num_layers = 1;
  shape.num_logical_experts = EXPERTS;
  shape.num_physical_experts = SLOTS;
  shape.num_gpus = 2;
  options.strategy = EPLB_STRATEGY_LPT_RESTART4;
  options.num_threads = num_threads;
  input.loads = loads;
  input.loads_count = EXPERTS;
  maps.physical_to_logical = experts;
  maps.physical_to_logical_count = SLOTS;
  REQUIRE(count_threads() == threads_before);
  REQUIRE(l.create(&shape, &options, &context, NULL) == EPLB_SUCCESS);
  REQUIRE(count_threads() == threads_before + num_threads - 1);
  REQUIRE(l.submit_weights(context, &input, NULL) == EPLB_SUCCESS);
  REQUIRE(l.get_maps(context, &maps, NULL) == EPLB_SUCCESS);
  REQUIRE(experts[0] >= 0 && experts[SLOTS - 1] >= 0);
  l.destroy(context);
  REQUIRE(threads_become(threads_before));
  REQUIRE(dlclose(l.handle) == 0);
}

static void in_a_child(const char* path) {
  int status = -1;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    one_round(path, 1);
    one_round(path, 2);
    _exit(0);
  }
  REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char** argv) {
  FILE* printed = tmpfile();
  int round;
  report = fdopen(dup(STDERR_FILENO), "w");
  if (argc != 2 || printed == NULL || report == NULL) return 2;
  setvbuf(report, NULL, _IONBF, 0);
  dup2(fileno(printed), STDOUT_FILENO);
  dup2(fileno(printed), STDERR_FILENO);
  in_a_child(argv[1]);
  for (round = 0; round < ROUNDS; ++round) one_round(argv[1], 1 + round % 3);
  in_a_child(argv[1]);
  fflush(stdout);
  REQUIRE(lseek(fileno(printed), 0, SEEK_END) == 0);
  return 0;
}
