# SPDX-License-Identifier: MIT
"""Planning through the idiomatic layer: kinds of arrays, options, the cluster, samples, the current placement."""

import array
import gc
import weakref
from dataclasses import replace

import pytest
from conftest import run_python

import eplb


def as_list(given):
    return given if isinstance(given, list) else given.tolist()


def flat_buffer(rows, typecode="f"):
    return array.array(typecode, [int(value) for row in rows for value in row])


def make_numpy(dtype):
    def make(rows):
        return pytest.importorskip("numpy").array(rows, dtype)

    return make


def make_torch(dtype):
    def make(rows):
        torch = pytest.importorskip("torch")
        return torch.tensor(rows, dtype=getattr(torch, dtype))

    return make


KINDS = {
    "lists": (lambda rows: rows, "list"),
    "tuples": (lambda rows: tuple(map(tuple, rows)), "list"),
    "array": (flat_buffer, "memoryview"),
    "bytes behind a memoryview": (lambda rows: memoryview(flat_buffer(rows).tobytes()).cast("f"), "memoryview"),
    "array of int64": (lambda rows: flat_buffer(rows, "q"), "memoryview"),
}
for dtype in ("float32", "float64", "int32", "int64"):
    KINDS["numpy " + dtype] = (make_numpy(dtype), "ndarray")
    KINDS["torch " + dtype] = (make_torch(dtype), "Tensor")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_array_gives_the_same_plan(name, shape, loads):
    make, out_kind = KINDS[name]
    given = make(loads)
    options = eplb.Options(strategy="lpt-swap-any")
    want = eplb.plan(loads, shape, options)
    got = eplb.plan(given, shape, options)
    for field in ("physical_to_logical", "replica_rank", "replica_count", "logical_to_physical"):
        assert type(getattr(got, field)).__name__ == out_kind
        assert as_list(getattr(got, field)) == getattr(want, field)
    assert as_list(got.stats.gpu_load) == want.stats.gpu_load
    assert as_list(eplb.score(shape, given, got).layer_bound) == want.stats.layer_bound
    if name != "array" and "bytes" not in name and "int64" not in name:
        assert [as_list(one) for one in eplb.balanced_packing(given, 4)] == list(eplb.balanced_packing(loads, 4))
        assert [as_list(one) for one in eplb.replicate_experts(given, 12)] == list(eplb.replicate_experts(loads, 12))


def test_maps_say_the_same(shape, loads):
    plan = eplb.plan(loads, shape)
    assert plan.stats.max_replica_count == max(map(max, plan.replica_count))
    for layer in range(shape.num_layers):
        for slot, expert in enumerate(plan.physical_to_logical[layer]):
            assert plan.logical_to_physical[layer][expert][plan.replica_rank[layer][slot]] == slot
        for expert, slots in enumerate(plan.logical_to_physical[layer]):
            assert sum(slot >= 0 for slot in slots) == plan.replica_count[layer][expert]
    assert len(plan.logical_to_physical[0][0]) == plan.stats.max_replica_count


def test_a_planner_plans_again_into_the_same_arrays(shape, loads):
    numpy = pytest.importorskip("numpy")
    first, second = numpy.array(loads, "f4"), numpy.array(loads, "f4")[:, ::-1].copy()
    with eplb.Planner(shape, eplb.Options(strategy="lpt")) as planner:
        assert planner.shape == shape
        assert (planner.strategy, planner.policy, planner.backend) == (
            eplb.Strategy.LPT,
            eplb.Policy.GLOBAL,
            eplb.Backend.CPU,
        )
        out = eplb.Maps(numpy.empty((3, 12), "i4"), replica_count=numpy.empty(24, "i4"))
        for given in (first, second, first):
            planner.submit(given)
            assert planner.get_maps(out) is out
            want = eplb.plan(given.tolist(), shape, eplb.Options(strategy="lpt"))
            assert out.physical_to_logical.tolist() == want.physical_to_logical
            assert out.replica_count.reshape(3, 8).tolist() == want.replica_count
            assert planner.get_stats().balancedness == want.stats.balancedness
            assert planner.max_replica_count() == want.stats.max_replica_count
        assert planner.get_maps(dtype="int32").physical_to_logical.dtype == numpy.int32
        assert planner.get_maps().physical_to_logical.dtype == numpy.int64


def test_a_longer_flat_array_is_written_at_its_front(shape, loads):
    with eplb.Planner(shape) as planner:
        planner.submit(loads)
        out = array.array("i", [-7] * 40)
        planner.get_maps(eplb.Maps(out))
        assert out[36:].tolist() == [-7] * 4
        assert out[:12].tolist() == planner.get_maps().physical_to_logical[0]


def test_options_reach_the_library(shape, loads):
    seeded = eplb.Options(strategy=eplb.Strategy.LPT_RESTART4, amplitude=0.9)
    with eplb.Planner(shape, seeded) as planner:
        plans = {str(planner.plan(loads, seed=seed).physical_to_logical) for seed in range(20)}
    assert len(plans) > 1
    hierarchical = replace(shape, num_groups=4, num_nodes=2)
    with eplb.Planner(hierarchical) as planner:
        assert planner.policy == eplb.Policy.HIERARCHICAL
    with eplb.Planner(hierarchical, eplb.Options(policy="global")) as planner:
        assert planner.policy == eplb.Policy.GLOBAL
    own = eplb.Options(
        strategy="lpt", swap_scope="heaviest-any", max_swaps=50, candidates=2, amplitude=0.1, amplitude_form="linear",
        selection="max_load", initial="zigzag",
    )  # fmt: skip
    eplb.check(shape, eplb.plan(loads, shape, own))


def test_a_search_takes_several_samples_and_the_cluster(shape, loads):
    samples = [loads, [row[::-1] for row in loads]]
    uneven = replace(
        shape, slots_per_gpu=[4, 4, 4, 0], speed_of_gpu=[1, 2.5, 1, 1], node_of_gpu=(0, 0, 0, 0), num_nodes=1
    )
    plan = eplb.plan(samples, uneven, eplb.Options(samples="each", objective="power32", search_steps=5))
    assert [row[3] for row in plan.stats.gpu_load] == [0, 0, 0]
    assert plan.stats.duplicates == 0
    eplb.check(uneven, plan, allow_duplicates=False)
    with eplb.Planner(uneven, eplb.Options(max_samples=2)) as planner:
        assert planner.strategy == eplb.Strategy.SEARCH
        planner.submit(samples)
        planner.submit(loads)


def test_a_budget_bounds_the_changes(shape, loads):
    current = [[slot % 8 for slot in range(12)]] * 3
    free = eplb.plan(loads, shape, current=current)
    assert free.stats.changes > 3
    few = eplb.plan(loads, shape, current=current, max_changes=3)
    assert 0 < few.stats.changes <= 3
    none = eplb.plan(loads, shape, current=current, max_changes_per_layer=0)
    assert none.physical_to_logical == current
    assert eplb.score(shape, loads, free, current=current).changes == free.stats.changes
    lost = [[-1, -1, -1, *row[3:]] for row in current]
    eplb.check(shape, eplb.plan(loads, shape, current=lost))


def test_groups_come_together_from_where_an_engine_begins():
    """Experts in order with copies of the first ones, as vLLM has them, of a model with groups on several nodes."""
    shape = eplb.Shape(2, 64, 80, 16, num_groups=8, num_nodes=4)
    loads = [[(expert * 37 + layer * 11) % 101 + 1 for expert in range(64)] for layer in range(2)]
    first = [[slot % 64 for slot in range(80)]] * 2
    plan = eplb.plan(loads, shape, current=first)
    eplb.check(shape, plan)
    for row, before in zip(plan.physical_to_logical, first):
        groups = [{expert // 8 for expert in row[node * 20 : node * 20 + 20]} for node in range(4)]
        assert sorted(group for on_node in groups for group in on_node) == list(range(8))
        assert sum(now == was for now, was in zip(row, before)) >= 10
    assert plan.stats.balancedness > 0.98 * eplb.plan(loads, shape, eplb.Options(strategy="search")).stats.balancedness
    with pytest.raises(eplb.InvalidPlacementError, match=r"takes \d+ changes, .* policy global"):
        eplb.plan(loads, shape, current=first, max_changes_per_layer=8)
    assert eplb.plan(loads, shape, eplb.Options(policy="global"), current=first, max_changes_per_layer=8).stats


def test_auto_is_global_once_a_node_is_lost(shape, loads):
    whole = replace(shape, num_groups=4, num_nodes=2)
    lost = replace(whole, slots_per_gpu=[6, 6, 0, 0])
    with eplb.Planner(whole) as planner, eplb.Planner(lost) as left:
        assert (planner.policy, left.policy) == (eplb.Policy.HIERARCHICAL, eplb.Policy.GLOBAL)
    with pytest.raises(eplb.InvalidArgumentError, match="node 1 has 0 slots, .* policy global does not"):
        eplb.plan(loads, lost, eplb.Options(policy="hierarchical"))


def test_planning_once_is_the_one_call_of_the_library(shape, loads):
    """Which settles strategy auto by the samples and the current placement as well."""
    import ctypes

    from eplb import raw

    current = [[slot % 8 for slot in range(12)]] * 3
    for samples, given in (([loads], None), ([loads] * 2, None), ([loads], current)):
        flat = array.array("f", [value for sample in samples for row in sample for value in row])
        slots = array.array("i", [0] * 36)
        input_, maps = raw.new(raw.eplb_input), raw.new(raw.eplb_maps)
        input_.num_samples = len(samples)
        input_.loads, input_.loads_count = flat.buffer_info()
        if given:
            now = array.array("i", [expert for row in given for expert in row])
            input_.current, input_.current_count = now.buffer_info()
        maps.physical_to_logical, maps.physical_to_logical_count = slots.buffer_info()
        status = raw.load().eplb_rebalance_experts(
            ctypes.byref(shape.to_c()), None, ctypes.byref(input_), ctypes.byref(maps), None, None
        )
        assert status == raw.EPLB_SUCCESS
        plan = eplb.plan(samples, shape, current=given)
        assert sum(plan.physical_to_logical, []) == slots.tolist()


def test_judging(shape, loads):
    plan = eplb.plan(loads, shape)
    assert eplb.score(shape, loads, plan.physical_to_logical).balancedness == plan.stats.balancedness
    assert plan.stats.balancedness <= plan.stats.bound + 1e-12
    eplb.check(shape, plan)
    eplb.check(shape, plan.physical_to_logical)
    edited = [[0 if expert == 5 else expert for expert in row] for row in plan.physical_to_logical]
    with pytest.raises(eplb.InvalidPlacementError, match="expert 5"):
        eplb.check(shape, edited)
    with pytest.raises(eplb.InvalidPlacementError):
        eplb.check(shape, [[*range(8), 0, 0, 0, 0]] * 3, allow_duplicates=False)


def test_questions_to_the_library(shape):
    assert list(eplb.strategies())[:2] == ["auto", "lpt"]
    assert len(eplb.strategies()) == len(eplb.Strategy)
    assert eplb.why_unavailable("cpu") is None
    assert len(eplb.devices("cpu")) == 1
    assert bool(eplb.devices("cuda")) == (eplb.why_unavailable("cuda") is None)
    assert ".".join(map(str, eplb.version())) in eplb.build_info()
    assert eplb.memory_needed(shape).host_bytes > 0
    assert eplb.memory_needed(shape, eplb.Options(backend="cpu")).cuda_bytes == 0


class CountingLibrary:
    """The library, but for the contexts that it destroys, which it counts."""

    def __init__(self, library):
        self.real_library = library
        self.destroyed = 0

    def __getattr__(self, name):
        return getattr(self.real_library, name)

    def eplb_destroy(self, context):
        self.destroyed += 1
        self.real_library.eplb_destroy(context)


@pytest.fixture
def counting(monkeypatch):
    library = CountingLibrary(eplb.load())
    monkeypatch.setattr(eplb.raw, "load", lambda: library)
    return library


def test_a_context_is_freed_once(counting, shape):
    with eplb.Planner(shape) as planner:
        pass
    planner.close()
    del planner
    gc.collect()
    assert counting.destroyed == 1
    planner = eplb.Planner(shape)
    del planner
    gc.collect()
    assert counting.destroyed == 2
    planner = eplb.Planner(shape, eplb.Options(progress_fn=lambda done, total: planner and None))
    gone = weakref.ref(planner)
    del planner
    gc.collect()
    assert gone() is None and counting.destroyed == 3
    with pytest.raises(ValueError):
        eplb.Planner(replace(shape, num_physical_experts=7))
    gc.collect()
    assert counting.destroyed == 3


def test_leaving_while_a_thread_plans():
    program = """
import threading, eplb
planner = eplb.Planner(eplb.Shape(8, 64, 72, 8), eplb.Options(strategy="lpt-restart64-any"))
started = threading.Event()
def work():
    while True:
        planner.submit([[1.0 + e for e in range(64)]] * 8)
        started.set()
threading.Thread(target=work, daemon=True).start()
started.wait()
"""
    result = run_python(program)
    assert (result.returncode, result.stdout) == (0, "")


def test_in_the_child_of_a_fork():
    program = """
import os, eplb
shape = eplb.Shape(1, 8, 8, 2)
planner = eplb.Planner(shape, eplb.Options(num_threads=2))
child = os.fork()
if child == 0:
    try:
        planner.submit([[1.0] * 8])
    except eplb.InvalidStateError as error:
        planner.close()
        eplb.plan([[1.0] * 8], shape)
        os._exit(0 if "fork" in str(error) else 2)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
planner.submit([[1.0] * 8])
"""
    result = run_python(program)
    assert (result.returncode, result.stdout) == (0, "")


def test_neither_numpy_nor_torch_is_imported():
    program = """
import sys, eplb
eplb.plan([[1.0] * 8], eplb.Shape(1, 8, 8, 2))
assert "numpy" not in sys.modules and "torch" not in sys.modules
"""
    result = run_python(program)
    assert (result.returncode, result.stdout) == (0, "")
