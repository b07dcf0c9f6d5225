# SPDX-License-Identifier: MIT
"""What reaches the library from tensors in CUDA memory: addresses, types, the stream.

It needs no device: the tensors are stand-ins, and so are torch and the library's asynchronous calls, which plan on the
host from what they are given.
"""

import ctypes
import sys
from types import SimpleNamespace

import pytest

import eplb
from eplb import raw

STREAMS = {0: 0x1000, 1: 0x2000}  # torch's current stream of each device


class Device(SimpleNamespace):
    type = "cuda"

    def __hash__(self):
        return self.index


class Tensor:
    """As much of a torch.Tensor as is used, with host memory behind it."""

    def __init__(self, shape, dtype, device, values=()):
        self.shape, self.dtype, self.device = tuple(shape), dtype, device
        element = {"float32": ctypes.c_float, "int32": ctypes.c_int32, "int64": ctypes.c_int64}[dtype.partition(".")[2]]
        self.memory = (element * self.numel())(*values)

    def numel(self):
        count = 1
        for extent in self.shape:
            count *= extent
        return count

    def element_size(self):
        return ctypes.sizeof(self.memory._type_)

    def data_ptr(self):
        return ctypes.addressof(self.memory)

    def is_contiguous(self):
        return True


class Library:
    """The real one, with contexts for CUDA memory that really are for host memory."""

    def __init__(self, library):
        self.real_library = library
        self.calls = []
        self.answer = raw.EPLB_SUCCESS

    def __getattr__(self, name):
        return getattr(self.real_library, name)

    def eplb_create(self, shape, options, context, error):
        given = options._obj
        if given.memory == raw.EPLB_MEMORY_HOST:
            return self.real_library.eplb_create(shape, options, context, error)
        self.device, self.workspace = given.device, (given.workspace, given.workspace_bytes)
        given.memory, given.workspace, given.workspace_bytes = raw.EPLB_MEMORY_HOST, None, 0
        return self.real_library.eplb_create(shape, options, context, error)

    def eplb_submit_weights_async(self, context, input_, stream, error):
        return self._on_host("eplb_submit_weights", context, input_, stream, error)

    def eplb_get_maps_async(self, context, maps, stream, error):
        return self._on_host("eplb_get_maps", context, maps, stream, error)

    def _on_host(self, name, context, struct, stream, error):
        given = type(struct._obj).from_buffer_copy(struct._obj)
        self.calls.append((name, given, stream))
        assert given.memory == raw.EPLB_MEMORY_CUDA
        on_host = type(given).from_buffer_copy(given)
        on_host.memory = raw.EPLB_MEMORY_HOST
        return getattr(self.real_library, name)(context, ctypes.byref(on_host), error)

    def eplb_poll(self, context, error):
        return self.answer


@pytest.fixture
def library(monkeypatch):
    torch = SimpleNamespace(
        empty=lambda shape, dtype, device: Tensor(shape, dtype, device),
        int32="torch.int32",
        int64="torch.int64",
        cuda=SimpleNamespace(current_stream=lambda device: SimpleNamespace(cuda_stream=STREAMS[device.index])),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    made = Library(eplb.load())
    monkeypatch.setattr(raw, "load", lambda: made)
    return made


@pytest.fixture
def device_loads(loads):
    return Tensor((3, 8), "torch.float32", Device(index=1), sum(loads, []))


def test_a_plan_is_enqueued_on_the_current_stream(library, shape, loads, device_loads):
    with eplb.Planner(shape, eplb.Options(memory="cuda", device=1, strategy="lpt")) as planner:
        plan = planner.plan(device_loads, seed=7)
        assert planner.poll()
    (submit, given, stream), (get, maps, same_stream) = library.calls
    assert (submit, get) == ("eplb_submit_weights", "eplb_get_maps")
    assert stream == same_stream == STREAMS[1]
    assert library.device == 1
    assert (given.loads, given.loads_count, given.type) == (device_loads.data_ptr(), 24, raw.EPLB_TYPE_FLOAT32)
    assert (given.num_samples, given.seed, given.current) == (1, 7, None)
    for name in ("physical_to_logical", "replica_rank", "replica_count", "logical_to_physical"):
        tensor = getattr(plan, name)
        assert tensor.device == device_loads.device
        assert (getattr(maps, name), getattr(maps, name + "_count")) == (tensor.data_ptr(), tensor.numel())
    assert (maps.type, maps.max_replicas) == (raw.EPLB_TYPE_INT64, 12 - 8 + 1)
    assert plan.stats is None
    want = eplb.plan(loads, shape, eplb.Options(strategy="lpt"))
    assert list(plan.physical_to_logical.memory) == sum(want.physical_to_logical, [])


def test_a_stream_of_the_caller_and_arrays_that_stay(library, shape, device_loads):
    current = Tensor((3, 12), "torch.int32", Device(index=1), [slot % 8 for slot in range(12)] * 3)
    out = eplb.Maps(Tensor((3, 12), "torch.int32", Device(index=1)))
    with eplb.Planner(shape, eplb.Options(memory="cuda", strategy="search")) as planner:
        for stream in (0x77, SimpleNamespace(cuda_stream=0x77)):
            planner.submit_async(device_loads, current=current, max_changes=2, stream=stream)
            assert planner.get_maps_async(out, stream=stream) is out
    for _, given, stream in library.calls:
        assert stream == 0x77
    given, maps = library.calls[0][1], library.calls[1][1]
    assert (given.current, given.current_count, given.current_type) == (
        current.data_ptr(),
        36,
        raw.EPLB_TYPE_INT32,
    )
    assert (given.max_changes, given.max_changes_per_layer) == (2, -1)
    assert (maps.physical_to_logical, maps.type) == (out.physical_to_logical.data_ptr(), raw.EPLB_TYPE_INT32)
    assert maps.replica_rank is None and maps.logical_to_physical is None


def test_polling(library, shape, device_loads):
    with eplb.Planner(shape, eplb.Options(memory="cuda")) as planner:
        planner.submit_async(device_loads)
        assert planner.poll() is True
        library.answer = raw.EPLB_NOT_READY
        assert planner.poll() is False
        library.answer = raw.EPLB_ERROR_INVALID_LOAD
        with pytest.raises(eplb.InvalidLoadError):
            planner.poll()


def test_a_workspace_of_the_caller(library, shape):
    workspace = Tensor((100,), "torch.int64", Device(index=0))
    with eplb.Planner(shape, eplb.Options(memory="cuda", workspace=workspace)):
        assert library.workspace == (workspace.data_ptr(), 800)


def test_memory_of_the_other_kind(library, shape, loads, device_loads):
    with eplb.Planner(shape, eplb.Options(memory="cuda")) as planner:
        with pytest.raises(ValueError, match="loads is in host memory; here it must be in CUDA memory"):
            planner.plan(loads)
        planner.submit_async(device_loads)
        with pytest.raises(ValueError, match="replica_count is in host memory"):
            planner.get_maps_async(eplb.Maps(replica_count=memoryview(bytearray(96)).cast("i")))
    with pytest.raises(ValueError, match="loads is in CUDA memory; here it must be in host memory"):
        eplb.plan(device_loads, shape)
    with pytest.raises(ValueError, match="physical_to_logical is in CUDA memory"):
        eplb.check(shape, Tensor((3, 12), "torch.int64", Device(index=0)))
