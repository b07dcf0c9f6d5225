// SPDX-License-Identifier: MIT
// The seam between what may be asked (src/api) and where it runs. Everything that comes through here
// has been validated, but for the loads and the current placement, which may be where only the backend can read them.
#pragma once

#include "core/cluster.h"
#include "core/rules.h"
#include "core/score.h"
#include "core/views.h"

namespace eplb {

struct cpu_kernels;

enum class backend_id { automatic, cpu, cuda };
enum class memory_kind { host, cuda };

/// What is fixed when a planner is made.
struct plan_spec {
  plan_shape shape;
  node_size node;
  cluster_view gpus;  // valid while a planner is made
  packing_rules rules;
  search_rules search;  // with steps: instead of the rules
  /// Number, for the random draws, of the packing problem of the first node.
  std::uint32_t first_problem;
  int threads;
  int max_samples;
  memory_kind memory;
  int device;                  // of CUDA; -1: the calling thread's
  void* workspace;             // of the measured size on that device; null: the planner allocates it
  const cpu_kernels* kernels;  // of the CPU backend; null: the best of this machine

  bool searches() const { return search.steps > 0; }
};

/// Told how far the work is; true: stop.
class progress_sink {
 public:
  virtual bool stop_after(std::int64_t done, std::int64_t total) = 0;

 protected:
  ~progress_sink() = default;
};

class stream_planner;

/// Plans one shape. All memory is given when it is made. In the child of a fork, where its threads do
/// not exist, it must neither be used nor destroyed; its memory may be freed.
class planner {
 public:
  virtual ~planner() = default;
  /// Null if it can work with this buffer, of the kind of memory it was made for; otherwise what is wrong with it.
  virtual const char* why_unusable(const void*) const { return nullptr; }
  /// Null if it cannot work on streams.
  virtual stream_planner* on_streams() { return nullptr; }
  /// Makes a plan the current one. Throws plan_fault or cancelled, and then keeps the one before.
  virtual void plan(const plan_input& input, progress_sink* progress) = 0;
  virtual bool has_plan() const = 0;
  /// Of the current plan, as the next two.
  virtual int max_replica_count() const = 0;
  virtual void get_maps(const maps_view& out) = 0;
  virtual void get_stats(placement_stats& out) = 0;
};

/// The same on CUDA streams: calls enqueue work and return.
class stream_planner {
 public:
  /// Null if work can be enqueued on this stream, otherwise what is wrong with it.
  virtual const char* why_unusable_stream(void* stream) = 0;
  virtual void plan_async(const plan_input& input, void* stream) = 0;
  virtual void get_maps_async(const maps_view& out, void* stream) = 0;
  /// Whether a plan was made, or enqueued to be made. Asks no device.
  virtual bool has_work() const = 0;
  /// False: work is not finished. Throws what went wrong on the device.
  virtual bool poll() const = 0;

 protected:
  ~stream_planner() = default;
};

struct memory_size {
  std::size_t host, cuda;
};

/// A place to run.
struct backend {
  backend_id id;
  /// Null if it can be used in this process now, otherwise why not.
  const char* (*why_unavailable)();
  /// Devices that can be used now, and one line about one of them.
  int (*device_count)();
  void (*describe_device)(int device, char* text, std::size_t size);
  /// Of everything a planner will use; host memory aligned to arena::alignment. Asks no device.
  memory_size (*measure)(const plan_spec&);
  /// Builds a planner in host memory of the measured size. To be destroyed, not deleted. Throws unavailable.
  planner* (*make)(const plan_spec&, void* memory);
};

extern const backend cpu_backend;
extern const backend cuda_backend;

/// Threads that the calling thread's affinity mask allows.
int allowed_threads();

/// Automatic follows the memory.
const backend& select_backend(backend_id id, memory_kind memory);

}  // namespace eplb
