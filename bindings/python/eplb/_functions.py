# SPDX-License-Identifier: MIT
"""What needs no planner that stays: planning once, judging, the parts of a plan, and questions to the library."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from . import _arrays, raw
from ._arrays import Views
from ._data import Maps, Plan, Stats, StatsBuffers, extents_of, fill_current, fill_loads, fill_maps, fill_seed
from ._enums import Backend, ElementType, Memory, Strategy
from ._errors import Error, UnavailableError
from ._planner import Planner
from ._settings import Options, Settled, Shape, integer
from ._values import member

__all__ = [
    "MemoryNeeded",
    "balanced_packing",
    "build_info",
    "check",
    "devices",
    "memory_needed",
    "plan",
    "replicate_experts",
    "score",
    "strategies",
    "version",
    "why_unavailable",
]


def plan(
    loads: Any,
    shape: Shape,
    options: Optional[Options] = None,
    *,
    current: Any = None,
    max_changes: Optional[int] = None,
    max_changes_per_layer: Optional[int] = None,
    seed: int = 0,
) -> Plan:
    """Plans once, from loads in host memory. ``Planner`` is for planning the same shape again and again.

    ``max_samples`` of the options need not be set, and strategy auto is a search where ``current`` is given.
    """
    options = options or Options()
    if member(Memory, options.memory or 0, "memory") == Memory.CUDA:
        raise ValueError("memory is cuda, but this call works on host memory; make a Planner")
    array = _arrays.unnest(loads, "loads", _arrays.FLOAT64)
    counted = raw.new(raw.eplb_input)
    with Views() as views:
        fill_loads(counted, views, array, shape.num_layers, shape.num_logical_experts)
    options = replace(options, max_samples=counted.num_samples)
    if current is not None and member(Strategy, options.strategy or 0, "strategy") == Strategy.AUTO:
        options = replace(options, strategy=Strategy.SEARCH)
    with Planner(shape, options) as planner:
        return planner.plan(
            loads, current=current, max_changes=max_changes, max_changes_per_layer=max_changes_per_layer, seed=seed
        )


def check(shape: Shape, maps: Union[Maps, Any], *, allow_duplicates: bool = True) -> None:
    """Raises InvalidPlacementError if a slot holds no expert, an expert has no slot, or the maps contradict each other;
    without ``allow_duplicates`` also if two replicas of an expert are on one gpu. ``maps`` are in host memory: Maps, or
    physical_to_logical alone."""
    flags = 0 if allow_duplicates else raw.EPLB_CHECK_DUPLICATES
    out = raw.new(raw.eplb_maps)
    error = Error()
    with Views() as views:
        fill_maps(out, views, shape, _as_maps(maps), writable=False)
        c_shape = shape.to_c()
        status = raw.load().eplb_check_placement(ctypes.byref(c_shape), ctypes.byref(out), flags, error.pointer)
    error.check(status)


def score(shape: Shape, loads: Any, maps: Union[Maps, Any], *, current: Any = None) -> Stats:
    """Judges a placement under any loads, also ones it was not planned for; checks it first. All in host memory;
    ``maps`` as for ``check()``. With ``current``, the stats say how many slots changed."""
    input_ = raw.new(raw.eplb_input)
    out = raw.new(raw.eplb_maps)
    stats = StatsBuffers(_arrays.kind_of(loads), shape)
    error = Error()
    with Views() as views:
        array = _arrays.unnest(loads, "loads", _arrays.FLOAT64)
        fill_loads(input_, views, array, shape.num_layers, shape.num_logical_experts)
        fill_current(input_, views, shape, current)
        fill_maps(out, views, shape, _as_maps(maps), writable=False)
        stats.fill(views)
        c_shape = shape.to_c()
        status = raw.load().eplb_score_placement(
            ctypes.byref(c_shape), ctypes.byref(input_), ctypes.byref(out), ctypes.byref(stats.struct), error.pointer
        )
    error.check(status)
    return stats.result()


def balanced_packing(
    loads: Any, num_packs: int, options: Optional[Options] = None, *, seed: int = 0, dtype: str = "int64"
) -> Tuple[Any, Any]:
    """Packs the items of each row into packs of equally many, with loads as equal as the strategy gets them.

    ``loads`` are [X][n], or [S][X][n] samples, in host memory. Returns pack_index and rank_in_pack, both [X][n].
    """
    type_ = member(ElementType, dtype, "dtype")
    array = _arrays.unnest(loads, "loads", _arrays.FLOAT64)
    kind = _arrays.kind_of(loads)
    settled = Settled(options)
    input_ = raw.new(raw.eplb_input)
    packing = raw.new(raw.eplb_packing)
    error = Error(settled.raise_pending)
    rows, items = extents_of(array)
    with Views() as views:
        fill_loads(input_, views, array, rows, items)
        fill_seed(input_, seed)
        index, rank = kind.empty((rows, items), type_), kind.empty((rows, items), type_)
        for name, written in (("pack_index", index), ("rank_in_pack", rank)):
            view = views.take(written, name, _arrays.INDEX_TYPES, writable=True)
            setattr(packing, name, view.address)
            setattr(packing, name + "_count", view.count)
        packing.type = type_
        packing.num_rows = rows
        packing.num_items = items
        packing.num_packs = integer(num_packs, "num_packs")
        status = raw.load().eplb_balanced_packing(
            ctypes.byref(settled.struct), ctypes.byref(input_), ctypes.byref(packing), error.pointer
        )
    error.check(status)
    return kind.finish(index), kind.finish(rank)


def replicate_experts(
    loads: Any, num_physical_experts: int, options: Optional[Options] = None, *, dtype: str = "int64"
) -> Tuple[Any, Any, Any]:
    """Gives each expert a slot, and each further slot to the expert with the largest load per replica.

    ``loads`` are [L][E], or [S][L][E] samples, in host memory. Returns physical_to_logical [L][P] with the experts
    first and then the extra replicas in the order they were given, replica_rank [L][P], and replica_count [L][E].
    """
    type_ = member(ElementType, dtype, "dtype")
    array = _arrays.unnest(loads, "loads", _arrays.FLOAT64)
    kind = _arrays.kind_of(loads)
    settled = Settled(options)
    input_ = raw.new(raw.eplb_input)
    out = raw.new(raw.eplb_maps)
    error = Error(settled.raise_pending)
    layers, experts = extents_of(array)
    shape = Shape(layers, experts, num_physical_experts, num_gpus=1)
    with Views() as views:
        fill_loads(input_, views, array, layers, experts)
        written = Maps(
            kind.empty((layers, shape.num_physical_experts), type_),
            kind.empty((layers, shape.num_physical_experts), type_),
            kind.empty((layers, experts), type_),
        )
        fill_maps(out, views, shape, written, writable=True)
        c_shape = shape.to_c()
        status = raw.load().eplb_replicate_experts(
            ctypes.byref(c_shape),
            ctypes.byref(settled.struct),
            ctypes.byref(input_),
            ctypes.byref(out),
            error.pointer,
        )
    error.check(status)
    return (
        kind.finish(written.physical_to_logical),
        kind.finish(written.replica_rank),
        kind.finish(written.replica_count),
    )


class MemoryNeeded(NamedTuple):
    """Bytes that a planner allocates."""

    host_bytes: int
    #: What ``Options.workspace`` must have at least.
    cuda_bytes: int


def memory_needed(shape: Shape, options: Optional[Options] = None) -> MemoryNeeded:
    """Bytes that a planner would allocate, told without a device or driver."""
    settled = Settled(options)
    host, cuda = ctypes.c_size_t(), ctypes.c_size_t()
    error = Error()
    c_shape = shape.to_c()
    status = raw.load().eplb_memory_needed(
        ctypes.byref(c_shape), ctypes.byref(settled.struct), ctypes.byref(host), ctypes.byref(cuda), error.pointer
    )
    error.check(status)
    return MemoryNeeded(host.value, cuda.value)


def strategies() -> Dict[str, str]:
    """Name of each strategy of the library, and one line about it."""
    library = raw.load()
    return {
        library.eplb_strategy_name(one).decode(): library.eplb_strategy_description(one).decode()
        for one in range(library.eplb_strategy_count())
    }


def why_unavailable(backend: Union[Backend, str]) -> Optional[str]:
    """Why a backend cannot be used in this process now; None if it can. Asking about CUDA initialises the driver, so do
    not ask before a fork."""
    error = Error()
    status = raw.load().eplb_backend_available(member(Backend, backend, "backend"), error.pointer)
    try:
        error.check(status)
    except UnavailableError as why:
        return str(why)
    return None


def devices(backend: Union[Backend, str]) -> List[str]:
    """One line about each device of a backend; none if it is not available."""
    library = raw.load()
    value = member(Backend, backend, "backend")
    text = ctypes.create_string_buffer(256)
    error = Error()
    lines = []
    for device in range(library.eplb_device_count(value)):
        status = library.eplb_device_describe(value, device, text, len(text), error.pointer)
        error.check(status)
        lines.append(text.value.decode())
    return lines


def version() -> Tuple[int, int, int]:
    """Major, minor and patch number of the library that was loaded."""
    number = raw.load().eplb_version()
    return number // 10000, number // 100 % 100, number % 100


def build_info() -> str:
    """Version and compiler of the library on one line."""
    text: bytes = raw.load().eplb_build_info()
    return text.decode()


def _as_maps(given: Any) -> Maps:
    return given if isinstance(given, Maps) else Maps(physical_to_logical=given)
