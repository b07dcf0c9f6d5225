// SPDX-License-Identifier: MIT
// Threads that wait for work, share it out one by one, and stop early when asked.
#include "backend/cpu/thread_pool.h"

#include <csignal>
#include <new>

#include "backend/cpu/float_mode.h"

namespace eplb {
namespace {

/// While it lives, threads started here begin with every signal blocked: a process's handlers go on
/// running on the threads it knows.
class blocked_signals {
 public:
  blocked_signals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved_);
  }
  ~blocked_signals() { pthread_sigmask(SIG_SETMASK, &saved_, nullptr); }
  blocked_signals(const blocked_signals&) = delete;
  blocked_signals& operator=(const blocked_signals&) = delete;

 private:
  sigset_t saved_;
};

}  // namespace

thread_pool::thread_pool(int threads, std::thread* memory) : threads_(memory) {
  const blocked_signals guard;
  try {
    for (; workers_ < threads - 1; ++workers_)
      new (&threads_[workers_]) std::thread([this, worker = workers_ + 1] { serve(worker); });
  } catch (...) {
    stop_workers();
    throw;
  }
}

thread_pool::~thread_pool() { stop_workers(); }

void thread_pool::stop_workers() {
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  wake_.notify_all();
  for (; workers_ > 0; --workers_) {
    threads_[workers_ - 1].join();
    threads_[workers_ - 1].~thread();
  }
}

void thread_pool::serve(int worker) {
  const float_mode exact;
  long seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return quit_ || generation_ != seen; });
    if (quit_) return;
    seen = generation_;
    const job loop = job_;
    lock.unlock();
    while (take_one(loop, worker)) {
    }
    lock.lock();
    if (--busy_ == 0) idle_.notify_one();
  }
}

bool thread_pool::take_one(const job& loop, int worker) {
  if (stop_.load(std::memory_order_relaxed)) return false;
  const int i = next_.fetch_add(1, std::memory_order_relaxed);
  if (i >= loop.count) return false;
  loop.run(loop.work, worker, i);
  done_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void thread_pool::start(const job& loop) {
  next_ = 0;
  done_ = 0;
  stop_ = false;
  if (workers_ == 0) return;
  {
    const std::lock_guard lock(mutex_);
    job_ = loop;
    busy_ = workers_;
    ++generation_;
  }
  wake_.notify_all();
}

void thread_pool::finish() {
  if (workers_ == 0) return;
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return busy_ == 0; });
}

}  // namespace eplb
