// SPDX-License-Identifier: MIT
// A few threads that do the caller's loop with it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

namespace eplb {

class thread_pool {
 public:
  /// With `threads` - 1 workers, whose thread objects live in `memory`.
  thread_pool(int threads, std::thread* memory);
  ~thread_pool();
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  /// Calls work(worker, i) once for each i in [0, count), worker in [0, threads), and returns when all
  /// are finished. After each of its own, the calling thread calls after(done), where done counts
  /// those of all threads; true, or an exception, starts no more. Unless stopped, the last call is after(count).
  template <class Work, class After>
  void run(int count, Work work, After after);

 private:
  struct job {
    void (*run)(void* work, int worker, int i);
    void* work;
    int count;
  };

  void stop_workers();
  void serve(int worker);
  bool take_one(const job& loop, int worker);
  void start(const job& loop);
  void finish();

  std::thread* const threads_;
  int workers_ = 0;
  std::atomic<int> next_{0}, done_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  // Guarded by the mutex:
  job job_{};
  long generation_ = 0;
  int busy_ = 0;
  bool quit_ = false;
};

template <class Work, class After>
void thread_pool::run(int count, Work work, After after) {
  const job loop{[](void* w, int worker, int i) { (*static_cast<Work*>(w))(worker, i); }, &work, count};
  start(loop);
  int told = 0;
  std::exception_ptr thrown;
  try {
    while (take_one(loop, 0)) {
      told = done_.load(std::memory_order_relaxed);
      if (after(told)) stop_ = true;
    }
  } catch (...) {
    thrown = std::current_exception();
    stop_ = true;
  }
  finish();
  if (thrown) std::rethrow_exception(thrown);
  if (told < count && !stop_) after(count);
}

}  // namespace eplb
