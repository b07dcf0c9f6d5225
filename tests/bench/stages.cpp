// SPDX-License-Identifier: MIT
// The stages of a plan apart. An iteration is one layer of fresh loads: the stages before it run untimed, then the
// one in question on what they left in the cache, as in a plan.
#include <benchmark/benchmark.h>

#include <string>

#include "core/plan.h"
#include "core/team/serial.h"
#include "timing.h"

namespace {

using namespace eplb;

serial_team team;

constexpr packing_rules lpt_rules{initial_packing::lpt,      1, 0, amplitude_form::constant, swap_scope::none, 0,
                                  candidate_choice::max_load};

struct deployment {
  int experts, slots, gpus;
};
constexpr deployment deployments[] = {{256, 288, 32}, {256, 288, 144}, {384, 480, 96}, {1024, 2048, 512}};

/// One layer on its way through the stages, as one group on one node.
struct work {
  explicit work(const deployment& at)
      : shape{1, at.experts, at.slots, 1, 1, at.gpus}, memory(measure()), out32(inverse_size()), out64(inverse_size()) {
    lay_out(memory.data());
    problem = node.onto_gpus(shape, 0, 0, 1);
    p = {at.slots,
         at.gpus,
         problem.sorted.load,
         tries.member,
         tries.pack_load,
         tries.pack_of_item,
         tries.pack_load_of_item};
  }

  plan_shape shape;
  std::vector<char> memory;
  const float* in = nullptr;
  float *sample, *load;
  index_t *node_expert, *member;
  node_problem node;
  prepare_memory prepare;
  packing_memory tries;
  layer_maps maps;
  packing_problem problem;
  packing p;
  std::size_t most_replicas = 0;
  std::vector<std::int32_t> out32;
  std::vector<std::int64_t> out64;

 private:
  std::size_t lay_out(void* block) {
    const auto experts = static_cast<std::size_t>(shape.experts), slots = static_cast<std::size_t>(shape.slots);
    arena pieces(block);
    sample = pieces.take<float>(experts);
    load = pieces.take<float>(experts);
    node_expert = pieces.take<index_t>(experts);
    member = pieces.take<index_t>(slots);
    node = node_problem::lay_out<serial_team>(pieces, shape);
    tries = packing_memory::lay_out<serial_team>(pieces, shape.slots, shape.gpus);
    prepare = prepare_memory::lay_out<serial_team>(pieces, shape, tries.sort);
    maps = {pieces.take<index_t>(slots), pieces.take<index_t>(slots), pieces.take<index_t>(experts)};
    return pieces.used();
  }
  std::size_t measure() { return lay_out(nullptr); }
  /// Enough for the inverse map, and for the others together.
  std::size_t inverse_size() const {
    return static_cast<std::size_t>(shape.experts) * static_cast<std::size_t>(shape.slots - shape.experts + 1) +
           2 * static_cast<std::size_t>(shape.slots);
  }
};

void read(work& w) {
  benchmark::DoNotOptimize(read_layer(team, w.shape, {scalar::float32, w.in, 1}, 0, w.sample, 0, w.load));
}
void number(work& w) {
  number_experts(team, w.shape, group_problem{}.onto_nodes(w.shape, 0, 0), nullptr, w.node_expert);
  gather_node_load(team, w.load, w.node_expert, w.shape.experts, w.shape.experts, w.prepare.node_load);
}
void give_slots(work& w) {
  replicate(team, w.prepare.node_load, w.shape.experts, w.shape.slots, w.node.replica, w.prepare.hottest);
}
void sort(work& w) { sort_items(team, w.node.replica.load, w.shape.slots, w.node.sorted, w.prepare.sort); }
void perturb(work& w) { perturb_order(team, w.problem, 0.25f, 32, w.tries); }
void restore(work& w) { restore_order(team, w.p, w.tries.position); }
void pack_items(work& w, const float* load) {
  pack_lpt(team, load, w.p.items, even_packs{w.p.packs, w.p.room()}, w.p.member, w.p.pack_load, w.tries.used,
           w.tries.tournament);
}
void pack(work& w) { pack_items(w, w.p.load); }
void pack_perturbed(work& w) { pack_items(w, w.tries.load); }
void deal(work& w) { pack_zigzag(team, w.p); }
template <swap_scope scope, int max_swaps>
void swap(work& w) {
  refine(team, w.p, scope, max_swaps, infinity);
}
void write(work& w) { write_maps(team, w.problem, w.node, 0, w.shape.experts, w.p.member, w.maps); }
template <class Out>
void widen_maps(work& w, std::vector<Out>& to) {
  const auto experts = static_cast<std::size_t>(w.shape.experts), slots = static_cast<std::size_t>(w.shape.slots);
  widen(team, w.maps.physical_to_logical, slots, to.data());
  widen(team, w.maps.replica_rank, slots, to.data() + slots);
  widen(team, w.maps.replica_count, experts, to.data() + 2 * slots);
}
template <class Out>
void invert_maps(work& w, std::vector<Out>& to) {
  invert(team, w.shape, w.maps, w.most_replicas, to.data());
}
void find_most_replicas(work& w) {
  w.most_replicas = *std::max_element(w.maps.replica_count, w.maps.replica_count + w.shape.experts);
}
void widen32(work& w) { widen_maps(w, w.out32); }
void widen64(work& w) { widen_maps(w, w.out64); }
void invert32(work& w) { invert_maps(w, w.out32); }
void invert64(work& w) { invert_maps(w, w.out64); }
void whole_layer(work& w) {
  number_experts(team, w.shape, group_problem{}.onto_nodes(w.shape, 0, 0), nullptr, w.node_expert);
  prepare_node(team, w.shape, w.load, w.node_expert, w.node, w.prepare);
  try_candidates(team, w.problem, lpt_rules, 0, 1, w.tries, w.member);
  write_maps(team, w.problem, w.node, 0, w.shape.experts, w.member, w.maps);
}

template <auto... steps>
void all(work& w) {
  (steps(w), ...);
}

struct stage {
  const char* name;
  void (*before)(work&);
  void (*run)(work&);
};

constexpr stage stages[] = {
    {"read", all<>, read},
    {"number", all<read>, number},
    {"replicate", all<read, number>, give_slots},
    {"sort", all<read, number, give_slots>, sort},
    {"pack-lpt", all<read, number, give_slots, sort>, pack},
    {"pack-zigzag", all<read, number, give_slots, sort>, deal},
    {"swap-minmax20", all<read, number, give_slots, sort, pack>, swap<swap_scope::heaviest_lightest, 20>},
    {"swap-any20", all<read, number, give_slots, sort, pack>, swap<swap_scope::heaviest_any, 20>},
    {"swap-any50", all<read, number, give_slots, sort, pack>, swap<swap_scope::heaviest_any, 50>},
    {"swap-l2", all<read, number, give_slots, sort, pack>, swap<swap_scope::any_any, 50>},
    {"perturb", all<read, number, give_slots, sort>, perturb},
    {"restore", all<read, number, give_slots, sort, perturb, pack_perturbed>, restore},
    {"write-maps", all<read, number, give_slots, sort, pack>, write},
    {"layer-lpt", all<read>, whole_layer},
    {"widen/int32", all<read, whole_layer>, widen32},
    {"widen/int64", all<read, whole_layer>, widen64},
    {"invert/int32", all<read, whole_layer, find_most_replicas>, invert32},
    {"invert/int64", all<read, whole_layer, find_most_replicas>, invert64},
};

/// What reading the clock costs by itself.
double clock_seconds() {
  std::vector<double> times(1001);
  for (double& time : times) time = bench::seconds([] {});
  return bench::quantile(times, 0.5);
}

constexpr int layers_in_set = 64;

void time_stage(benchmark::State& state, const stage& s, const deployment& at) {
  static const double clock = clock_seconds();
  const auto width = static_cast<std::size_t>(at.experts);
  const auto loads = bench::make_loads(layers_in_set * width);
  work w(at);
  std::vector<double> times;
  for (auto _ : state) {
    w.in = loads[times.size() / layers_in_set % loads.size()].data() + times.size() % layers_in_set * width;
    s.before(w);
    times.push_back(std::max(0.0, bench::seconds([&] { s.run(w); }) - clock));
    state.SetIterationTime(times.back());
  }
  state.counters["ns"] = bench::quantile(times, 0.5) * 1e9;
  state.counters["ns_p10"] = bench::quantile(times, 0.1) * 1e9;
  state.counters["ns_p90"] = bench::quantile(times, 0.9) * 1e9;
}

}  // namespace

int main(int argc, char** argv) {
#if defined(__AVX2__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2")) {
    std::fputs("this machine has no AVX2\n", stderr);
    return 1;
  }
#endif
  for (const deployment& at : deployments)
    for (const stage& s : stages) {
      const std::string name = std::string("stage/") + s.name + "/" + std::to_string(at.experts) + "-" +
                               std::to_string(at.slots) + "/" + std::to_string(at.gpus);
      benchmark::RegisterBenchmark(name.c_str(), [&s, &at](benchmark::State& state) { time_stage(state, s, at); })
          ->UseManualTime()
          ->Iterations(16 * layers_in_set);
    }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
