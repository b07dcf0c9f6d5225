# SPDX-License-Identifier: MIT
"""Bad use is an exception that names the argument, never a crash; and what was held is let go."""

import array
import ctypes
import threading
from dataclasses import replace

import pytest

import eplb
from eplb import raw


@pytest.fixture
def numpy():
    return pytest.importorskip("numpy")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def planner(shape):
    with eplb.Planner(shape) as made:
        yield made


def test_loads_of_the_wrong_type(planner, numpy, torch):
    for given in (
        numpy.ones((3, 8), "f2"),
        numpy.ones((3, 8), "u4"),
        numpy.ones((3, 8), ">f4"),
        numpy.ones((3, 8), object),
        numpy.ones((3, 8), bool),
        torch.ones((3, 8), dtype=torch.bfloat16),
        torch.ones((3, 8), dtype=torch.uint8),
        bytes(96),
        "loads",
        None,
        7,
        object(),
        [["a"] * 8] * 3,
        [[None] * 8] * 3,
    ):
        with pytest.raises(TypeError, match="loads"):
            planner.submit(given)


def test_loads_of_the_wrong_shape(planner, numpy, torch):
    for given in (
        numpy.ones((3, 7)),
        numpy.ones((8, 3)),
        numpy.ones((4, 8)),
        numpy.ones((2, 3, 4)),
        numpy.ones((1, 1, 3, 8)),
        numpy.ones(()),
        numpy.ones((0, 3, 8)),
        numpy.ones((6, 8))[::2],
        numpy.ones((3, 16))[:, ::2],
        numpy.ones((8, 3)).T,
        torch.ones((8, 3)).T,
        torch.ones((3, 1)).expand(3, 8),
        torch.ones((3, 8), device="meta"),
        numpy.frombuffer(bytes(97), "u1")[1:].view("f4").reshape(3, 8),
        array.array("f", [1] * 23),
        array.array("f"),
        memoryview(array.array("f", [1] * 48))[::2],
        [[1.0] * 8] * 2,
        [[1.0] * 8, [1.0] * 8, [1.0] * 7],
        [[1.0] * 8, [1.0] * 8, 1.0],
        [],
        [[]],
        [[[]]],
    ):
        with pytest.raises((ValueError, TypeError), match="loads"):
            planner.submit(given)


def test_bad_loads(planner, loads):
    planner.submit(loads)
    before = planner.get_maps().physical_to_logical
    for value in (float("nan"), float("inf"), -1.0, 1e39):
        bad = [list(row) for row in loads]
        bad[1][5] = value
        with pytest.raises(eplb.InvalidLoadError, match="layer 1, expert 5") as caught:
            planner.submit(bad)
        assert caught.value.status == eplb.Status.INVALID_LOAD
        assert isinstance(caught.value, ValueError)
    assert planner.get_maps().physical_to_logical == before


def test_outputs(planner, loads, numpy, torch):
    planner.submit(loads)
    most = planner.max_replica_count()
    for error, name, given in (
        (ValueError, "physical_to_logical", numpy.empty((3, 11), "i4")),
        (ValueError, "physical_to_logical", numpy.empty((12, 3), "i4").T),
        (ValueError, "physical_to_logical", torch.empty((12, 3), dtype=torch.int64).T),
        (eplb.BufferTooSmallError, "physical_to_logical", array.array("i", [0] * 35)),
        (TypeError, "physical_to_logical", numpy.empty((3, 12), "f4")),
        (TypeError, "physical_to_logical", torch.empty((3, 12), dtype=torch.int16)),
        (TypeError, "physical_to_logical", [[0] * 12] * 3),
        (ValueError, "physical_to_logical", numpy.broadcast_to(numpy.int32(0), (3, 12))),
        (ValueError, "physical_to_logical", memoryview(bytes(144)).cast("i")),
        (ValueError, "replica_rank", numpy.empty((3, 8), "i4")),
        (ValueError, "replica_count", numpy.empty((3, 12), "i4")),
        (ValueError, "logical_to_physical", numpy.empty((3, 8), "i4").reshape(3, 4, 2)),
        (ValueError, "max_replicas", numpy.empty((3, 8, most - 1), "i4")),
    ):
        field = "logical_to_physical" if name == "max_replicas" else name
        with pytest.raises(error, match=name):
            planner.get_maps(eplb.Maps(**{field: given}))
    with pytest.raises(TypeError, match="replica_rank"):
        planner.get_maps(eplb.Maps(numpy.empty((3, 12), "i4"), numpy.empty((3, 12), "i8")))
    with pytest.raises(ValueError, match="dtype"):
        planner.get_maps(dtype="uint8")


def test_nothing_is_held_after_a_call(planner, loads):
    given = array.array("d", [value for row in loads for value in row])
    slots = array.array("i", [0] * 36)
    planner.submit(given)
    planner.get_maps(eplb.Maps(slots))
    given[3] = -1
    with pytest.raises(eplb.InvalidLoadError):
        planner.submit(given)
    with pytest.raises(ValueError):
        planner.get_maps(eplb.Maps(slots, replica_count=array.array("i", [0])))
    given.append(0)  # BufferError if something still looked at it
    slots.append(0)


def test_bad_shapes_and_options(shape, loads):
    for error, name, change in (
        (ValueError, "num_layers", dict(num_layers=0)),
        (ValueError, "num_physical_experts", dict(num_physical_experts=7)),
        (ValueError, "num_gpus", dict(num_gpus=2**32 + 4)),
        (TypeError, "num_gpus", dict(num_gpus=4.0)),
        (TypeError, "num_nodes", dict(num_nodes=None)),
        (ValueError, "slots_per_gpu", dict(slots_per_gpu=[3, 3, 3])),
        (TypeError, "slots_per_gpu", dict(slots_per_gpu=3)),
        (TypeError, "slots_per_gpu", dict(slots_per_gpu=[3.5] * 4)),
        (ValueError, "slots_per_gpu", dict(slots_per_gpu=[2**40] * 4)),
        (ValueError, "speed_of_gpu", dict(speed_of_gpu=[0] * 4)),
        (TypeError, "speed_of_gpu", dict(speed_of_gpu=[None] * 4)),
        (TypeError, "speed_of_gpu", dict(speed_of_gpu="1111")),
        (TypeError, "speed_of_gpu", dict(speed_of_gpu=["1"] * 4)),
    ):
        with pytest.raises(error, match=name):
            eplb.Planner(replace(shape, **change))
    for error, name, options in (
        (ValueError, "strategy", eplb.Options(strategy="best")),
        (ValueError, "strategy", eplb.Options(strategy=99)),
        (ValueError, "num_threads", eplb.Options(num_threads=-1)),
        (ValueError, "num_threads", eplb.Options(num_threads=2**40)),
        (TypeError, "max_samples", eplb.Options(max_samples="2")),
        (ValueError, "amplitude", eplb.Options(strategy="lpt-restart4", amplitude=float("nan"))),
        (TypeError, "amplitude", eplb.Options(strategy="lpt-restart4", amplitude="0.5")),
        (ValueError, "search_steps", eplb.Options(strategy="lpt", search_steps=3)),
        (TypeError, "workspace", eplb.Options(workspace=bytearray(9))),
    ):
        with pytest.raises(error, match=name):
            eplb.Planner(shape, options)
    with pytest.raises(eplb.InvalidArgumentError):
        eplb.memory_needed(replace(shape, num_physical_experts=7))
    with pytest.raises(ValueError, match="known|strategy"):
        eplb.plan(loads, shape, eplb.Options(strategy="best"))
    with pytest.raises(ValueError, match="seed"):
        eplb.plan(loads, shape, seed=-1)


def test_bad_current(shape, loads):
    current = [[slot % 8 for slot in range(12)]] * 3
    for error, name, settings in (
        (ValueError, "current", dict(current=[[0] * 11] * 3)),
        (TypeError, "current", dict(current=[[0.5] * 12] * 3)),
        (eplb.InvalidPlacementError, "8", dict(current=[[8] * 12] * 3)),
        (ValueError, "max_changes", dict(max_changes=3)),
        (ValueError, "max_changes", dict(current=current, max_changes=-2)),
        (TypeError, "max_changes_per_layer", dict(current=current, max_changes_per_layer=0.5)),
        (eplb.InvalidPlacementError, "changes", dict(current=[[-1] * 12] * 3, max_changes=3)),
    ):
        with pytest.raises(error, match=name):
            eplb.plan(loads, shape, **settings)
    with pytest.raises(eplb.InvalidArgumentError, match="current"):
        eplb.plan(loads, shape, eplb.Options(strategy="lpt"), current=current)


def test_bad_parts(loads):
    with pytest.raises(ValueError, match="num_packs|num_items"):
        eplb.balanced_packing(loads, 3)
    with pytest.raises(ValueError, match="loads"):
        eplb.balanced_packing(loads[0], 4)
    with pytest.raises(ValueError, match="num_physical_experts"):
        eplb.replicate_experts(loads, 7)
    with pytest.raises(ValueError, match="num_physical_experts"):
        eplb.replicate_experts(loads, 2**40)


def test_states(shape, loads):
    planner = eplb.Planner(shape)
    for call in (planner.get_maps, planner.get_stats, planner.max_replica_count):
        with pytest.raises(eplb.InvalidStateError, match="no plan yet"):
            call()
    planner.close()
    planner.close()
    for call in (lambda: planner.submit(loads), planner.get_maps, planner.get_stats, planner.poll):
        with pytest.raises(eplb.InvalidStateError, match="closed") as caught:
            call()
        assert caught.value.status == eplb.Status.INVALID_STATE
        assert isinstance(caught.value, RuntimeError)


def test_asynchronous_calls_on_the_cpu(planner, loads):
    for call in (lambda: planner.submit_async(loads, stream=1), planner.get_maps_async, planner.poll):
        with pytest.raises(eplb.InvalidStateError, match="cpu"):
            call()


def test_cuda_where_there_is_none(shape, loads):
    with pytest.raises(ValueError, match="memory"):
        eplb.plan(loads, shape, eplb.Options(memory="cuda"))
    if eplb.why_unavailable("cuda"):
        with pytest.raises(eplb.UnavailableError):
            eplb.Planner(shape, eplb.Options(memory="cuda"))


def test_two_threads_on_one_planner(shape, loads):
    """One is inside the library, in its callback, when the other comes."""
    inside, leave = threading.Event(), threading.Event()

    def progress(done, total):
        inside.set()
        leave.wait()

    planner = eplb.Planner(shape, eplb.Options(progress_fn=progress))
    first = threading.Thread(target=planner.submit, args=(loads,))
    first.start()
    inside.wait()
    for call in (lambda: planner.submit(loads), planner.get_maps, planner.close):
        with pytest.raises(eplb.InvalidStateError, match="in use"):
            call()
    leave.set()
    first.join()
    planner.get_maps()
    planner.close()


def test_two_threads_on_one_context(shape, loads):
    """The same through the raw layer: the library itself refuses."""
    library = eplb.load()
    inside, leave = threading.Event(), threading.Event()

    def progress(user, done, total):
        inside.set()
        leave.wait()
        return 0

    options, input_ = raw.new(raw.eplb_options), raw.new(raw.eplb_input)
    options.progress_fn = raw.eplb_progress_fn(progress)
    flat = array.array("d", [value for row in loads for value in row])
    input_.type = raw.EPLB_TYPE_FLOAT64
    input_.loads, input_.loads_count = flat.buffer_info()
    context = ctypes.POINTER(raw.eplb_context)()
    assert library.eplb_create(ctypes.byref(shape.to_c()), ctypes.byref(options), ctypes.byref(context), None) == 0
    answers = []
    first = threading.Thread(
        target=lambda: answers.append(library.eplb_submit_weights(context, ctypes.byref(input_), None))
    )
    first.start()
    inside.wait()
    assert library.eplb_submit_weights(context, ctypes.byref(input_), None) == raw.EPLB_ERROR_INVALID_STATE
    leave.set()
    first.join()
    assert answers == [raw.EPLB_SUCCESS]
    library.eplb_destroy(context)


def test_every_status_has_an_exception():
    error = eplb._errors.Error()
    for status in [*eplb.Status, 99]:
        if status == eplb.Status.SUCCESS:
            error.check(status)
            continue
        with pytest.raises(eplb.EplbError) as caught:
            error.check(status)
        assert caught.value.status == status
    with pytest.raises(MemoryError):
        error.check(eplb.Status.OUT_OF_MEMORY)
