/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "resources.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* block, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void* block);

resource memory_blocks, thread_starts;

void refuse(resource* r, long first, long last) {
  r->asked = 0;
  r->first_refused = first;
  r->last_refused = last;
}

/* Threads that the library starts ask too. */
int may_have(resource* r) {
  const long number = __atomic_add_fetch(&r->asked, 1, __ATOMIC_RELAXED);
  return number < r->first_refused || number > r->last_refused;
}

void now_alive(resource* r, long change) { __atomic_add_fetch(&r->alive, change, __ATOMIC_RELAXED); }

static void* counted(void* block) {
  now_alive(&memory_blocks, block != NULL);
  return block;
}

static void* refused(void) {
  errno = ENOMEM; /* which the C library counts on */
  return NULL;
}

void* malloc(size_t size) { return may_have(&memory_blocks) ? counted(__libc_malloc(size)) : refused(); }
void* calloc(size_t count, size_t size) {
  return may_have(&memory_blocks) ? counted(__libc_calloc(count, size)) : refused();
}
void* realloc(void* block, size_t size) {
  void* moved;
  if (block == NULL) return malloc(size);
  moved = may_have(&memory_blocks) ? __libc_realloc(block, size) : refused();
  if (size == 0 && moved == NULL) now_alive(&memory_blocks, -1);
  return moved;
}
void* aligned_alloc(size_t alignment, size_t size) {
  return may_have(&memory_blocks) ? counted(__libc_memalign(alignment, size)) : refused();
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  void* const given = aligned_alloc(alignment, size);
  if (given != NULL) *block = given;
  return given != NULL ? 0 : ENOMEM;
}
void free(void* block) {
  now_alive(&memory_blocks, -(block != NULL));
  __libc_free(block);
}

typedef int (*create_function)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
static create_function create_thread;

__attribute__((constructor)) static void find_create_thread(void) {
  *(void**)&create_thread = dlsym(RTLD_NEXT, "pthread_create");
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
  return may_have(&thread_starts) ? create_thread(thread, attributes, start, argument) : EAGAIN;
}
