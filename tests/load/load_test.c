/* SPDX-License-Identifier: MIT */
/* What a runtime that knows only the file does: load the library, plan, unload it, again and again,
 * and in the child of a fork. It prints nothing and leaves no thread behind. Nothing of CUDA is opened until it is
 * asked for; then it is there or it is not, and planning on the CPU goes on. */
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eplb/eplb.h>

enum { ROUNDS = 50, EXPERTS = 4, SLOTS = 6 };

static FILE* report;      /* the standard streams are watched for output */
static int cuda_was_used; /* then its driver has threads that come and go */

#define REQUIRE(condition)                                                    \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(report, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      _exit(1);                                                               \
    }                                                                         \
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
  if (cuda_was_used) return 1;
  for (attempt = 0; count_threads() != expected && attempt < 1000; ++attempt) usleep(1000);
  return count_threads() == expected;
}

/* Whether a library of CUDA or of the driver is mapped into this process. */
static int cuda_is_mapped(void) {
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[4096];
  int found = 0;
  REQUIRE(maps != NULL);
  while (fgets(line, sizeof line, maps) != NULL) {
    found |= strstr(line, "/libcuda.so") != NULL || strstr(line, "/libnvidia-") != NULL;
  }
  fclose(maps);
  return found;
}

typedef struct library {
  void* handle;
  __typeof__(&eplb_error_init) error_init;
  __typeof__(&eplb_shape_init) shape_init;
  __typeof__(&eplb_options_init) options_init;
  __typeof__(&eplb_input_init) input_init;
  __typeof__(&eplb_maps_init) maps_init;
  __typeof__(&eplb_create) create;
  __typeof__(&eplb_submit_weights) submit_weights;
  __typeof__(&eplb_get_maps) get_maps;
  __typeof__(&eplb_destroy) destroy;
  __typeof__(&eplb_memory_needed) memory_needed;
  __typeof__(&eplb_backend_available) backend_available;
  __typeof__(&eplb_device_count) device_count;
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
  *(void**)&l.error_init = find(l.handle, "eplb_error_init");
  *(void**)&l.shape_init = find(l.handle, "eplb_shape_init");
  *(void**)&l.options_init = find(l.handle, "eplb_options_init");
  *(void**)&l.input_init = find(l.handle, "eplb_input_init");
  *(void**)&l.maps_init = find(l.handle, "eplb_maps_init");
  *(void**)&l.create = find(l.handle, "eplb_create");
  *(void**)&l.submit_weights = find(l.handle, "eplb_submit_weights");
  *(void**)&l.get_maps = find(l.handle, "eplb_get_maps");
  *(void**)&l.destroy = find(l.handle, "eplb_destroy");
  *(void**)&l.memory_needed = find(l.handle, "eplb_memory_needed");
  *(void**)&l.backend_available = find(l.handle, "eplb_backend_available");
  *(void**)&l.device_count = find(l.handle, "eplb_device_count");
  return l;
}

/* One problem with its buffers. */
typedef struct problem {
  eplb_shape shape;
  eplb_options options;
  eplb_input input;
  eplb_maps maps;
  int32_t experts[SLOTS];
} problem;

static void set_up(const library* l, problem* p) {
  static const float loads[EXPERTS] = {96, 30, 20, 10};
  int slot;
  REQUIRE(l->shape_init(&p->shape, sizeof p->shape) == EPLB_SUCCESS);
  REQUIRE(l->options_init(&p->options, sizeof p->options) == EPLB_SUCCESS);
  REQUIRE(l->input_init(&p->input, sizeof p->input) == EPLB_SUCCESS);
  REQUIRE(l->maps_init(&p->maps, sizeof p->maps) == EPLB_SUCCESS);
  p->shape.num_layers = 1;
  p->shape.num_logical_experts = EXPERTS;
  p->shape.num_physical_experts = SLOTS;
  p->shape.num_gpus = 2;
  p->options.strategy = EPLB_STRATEGY_LPT_RESTART4;
  p->input.loads = loads;
  p->input.loads_count = EXPERTS;
  for (slot = 0; slot < SLOTS; ++slot) p->experts[slot] = -1;
  p->maps.physical_to_logical = p->experts;
  p->maps.physical_to_logical_count = SLOTS;
}

static void submit_and_get(const library* l, eplb_context* context, problem* p) {
  REQUIRE(l->submit_weights(context, &p->input, NULL) == EPLB_SUCCESS);
  REQUIRE(l->get_maps(context, &p->maps, NULL) == EPLB_SUCCESS);
  REQUIRE(p->experts[0] >= 0 && p->experts[SLOTS - 1] >= 0);
}

/* Loads, plans with a number of threads, and unloads. */
static void one_round(const char* path, int32_t num_threads) {
  const int threads_before = count_threads();
  const int cuda_before = cuda_is_mapped();
  const library l = load(path);
  eplb_context* context = NULL;
  problem p;
  size_t host_bytes = 0;
  set_up(&l, &p);
  p.options.num_threads = num_threads;
  REQUIRE(threads_become(threads_before));
  REQUIRE(l.create(&p.shape, &p.options, &context, NULL) == EPLB_SUCCESS);
  REQUIRE(threads_become(threads_before + num_threads - 1));
  submit_and_get(&l, context, &p);
  l.destroy(context);
  REQUIRE(threads_become(threads_before));
  REQUIRE(l.memory_needed(&p.shape, &p.options, &host_bytes, NULL, NULL) == EPLB_SUCCESS && host_bytes > 0);
  p.options.backend = EPLB_BACKEND_CUDA;
  (void)!l.memory_needed(&p.shape, &p.options, &host_bytes, NULL, NULL); /* asks no device */
  REQUIRE(cuda_is_mapped() == cuda_before);
  REQUIRE(dlclose(l.handle) == 0);
}

/* Loads, asks for CUDA, and unloads. There must be a reason where there is no device, or CUDA was used before a
 * fork. */
static void ask_for_cuda(const char* path) {
  const int threads_before = count_threads();
  const library l = load(path);
  eplb_context* const unwritten = (eplb_context*)&cuda_was_used;
  eplb_context* context = unwritten;
  eplb_error error;
  eplb_status status;
  problem p;
  set_up(&l, &p);
  REQUIRE(l.error_init(&error, sizeof error) == EPLB_SUCCESS);
  p.options.backend = EPLB_BACKEND_CUDA;
  status = l.create(&p.shape, &p.options, &context, &error);
  if (status == EPLB_SUCCESS) {
    cuda_was_used = 1;
    submit_and_get(&l, context, &p);
    l.destroy(context);
    REQUIRE(l.device_count(EPLB_BACKEND_CUDA) > 0);
  } else {
    const int is_driver_there = cuda_is_mapped();
    REQUIRE(status == EPLB_ERROR_UNAVAILABLE || (is_driver_there && status == EPLB_ERROR_CUDA));
    REQUIRE(error.status == status && strlen(error.message) > 10 && context == unwritten);
    REQUIRE(l.backend_available(EPLB_BACKEND_CUDA, &error) == EPLB_ERROR_UNAVAILABLE || is_driver_there);
    REQUIRE(l.device_count(EPLB_BACKEND_CUDA) == 0 || is_driver_there);
    cuda_was_used |= is_driver_there;
    REQUIRE(threads_become(threads_before));
  }
  REQUIRE(dlclose(l.handle) == 0);
}

static void in_a_child(const char* path) {
  int status = -1;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    one_round(path, 1);
    one_round(path, 2);
    ask_for_cuda(path);
    one_round(path, 2);
    _exit(0);
  }
  REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char** argv) {
  FILE* printed = tmpfile();
  int round;
  report = fdopen(dup(STDERR_FILENO), "w");
  if (argc < 2 || printed == NULL || report == NULL) return 2;
  setvbuf(report, NULL, _IONBF, 0);
  dup2(fileno(printed), STDOUT_FILENO);
  dup2(fileno(printed), STDERR_FILENO);
  in_a_child(argv[1]);
  for (round = 0; round < ROUNDS; ++round) one_round(argv[1], 1 + round % 3);
  REQUIRE(!cuda_is_mapped());
  in_a_child(argv[1]);
  for (round = 0; round < ROUNDS; ++round) {
    ask_for_cuda(argv[1]);
    one_round(argv[1], 1 + round % 3);
  }
  in_a_child(argv[1]);
  fflush(stdout);
  REQUIRE(lseek(fileno(printed), 0, SEEK_END) == 0);
  REQUIRE(argc == 2 || cuda_is_mapped()); /* there is a driver, and now it has been opened */
  return 0;
}
