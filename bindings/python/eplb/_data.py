# SPDX-License-Identifier: MIT
"""Loads, maps and statistics: the structs eplb_input, eplb_maps and eplb_stats filled from arrays."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Optional, Tuple

from . import _arrays, raw
from ._arrays import Kind, Views
from ._settings import Shape, integer

_SEEDS = range(2**64)
_BUDGETS = range(-1, 2**63)
_LAYER_BUDGETS = range(-1, 2**31)


@dataclass
class Maps:
    """A placement. What is None is not written, or not looked at; the others have one type, int32 or int64."""

    #: [L][P] the expert in each slot; slots in order of gpu.
    physical_to_logical: Any = None
    #: [L][P] which replica of its expert a slot holds, 0 the original.
    replica_rank: Any = None
    #: [L][E] slots of each expert.
    replica_count: Any = None
    #: [L][E][X] slots of each expert, in order of replica rank, then -1.
    logical_to_physical: Any = None


@dataclass
class Stats:
    """How good a placement is under a load. Balancedness is mean gpu load / largest gpu load, 1 at best."""

    #: Most slots that one expert has.
    max_replica_count: int
    #: Mean over the layers that have load.
    balancedness: float
    #: That of the worst layer.
    balancedness_min: float
    #: No placement on these gpus has larger balancedness.
    bound: float
    #: Layers without load.
    empty_layers: int
    #: Slots whose gpu holds the same expert in an earlier slot, all layers.
    duplicates: int
    #: Slots that hold another expert than in the current placement, if one was given.
    changes: int
    #: [L] balancedness of each layer.
    layer_balancedness: Any
    #: [L] bound of each layer.
    layer_bound: Any
    #: [L][G] tokens of each gpu, mean over the samples.
    gpu_load: Any


@dataclass
class Plan(Maps):
    """A placement that was planned."""

    #: How good it is under the loads it was made for; None if it is on a CUDA stream and not waited for.
    stats: Optional[Stats] = None


def extents_of(loads: Any, name: str = "loads", most_dimensions: int = 3) -> Tuple[int, int]:
    """Rows and columns of loads whose shape nothing else says."""
    with Views() as views:
        shape = views.take(loads, name, _arrays.LOAD_TYPES).shape
    if not 2 <= len(shape) <= most_dimensions:
        several = ", or 3 with several samples" if most_dimensions > 2 else ""
        raise ValueError(f"{name} has shape {shape}; it must have 2 dimensions{several}")
    if 0 in shape:
        raise ValueError(f"{name} has shape {shape}, so it is empty; each extent must be 1 or more")
    return shape[-2], shape[-1]


def fill_loads(
    out: raw.eplb_input, views: Views, loads: Any, rows: int, columns: int, memory: int = _arrays.HOST
) -> None:
    """Loads of [rows][columns], or of several such samples."""
    view = views.take(loads, "loads", _arrays.LOAD_TYPES)
    _check_memory(view.memory, memory, "loads")
    each = rows * columns
    samples, rest = divmod(view.count, each)
    if rest or not samples or view.shape not in ((rows, columns), (samples, rows, columns), (view.count,)):
        wanted = f"({rows}, {columns}) or (samples, {rows}, {columns})"
        raise ValueError(f"loads has shape {view.shape}; it must be {wanted}")
    out.type = view.type
    out.memory = memory
    out.num_samples = samples
    out.loads = view.address
    out.loads_count = view.count


def fill_current(
    out: raw.eplb_input,
    views: Views,
    shape: Shape,
    current: Any,
    max_changes: Optional[int] = None,
    max_changes_per_layer: Optional[int] = None,
    memory: int = _arrays.HOST,
) -> None:
    """The placement in use, and how many slots may change."""
    if current is None:
        out.current = None
        out.current_count = 0
        if max_changes is not None or max_changes_per_layer is not None:
            raise ValueError("max_changes or max_changes_per_layer is given, but there is no current to change from")
    else:
        view = views.take(_arrays.unnest(current, "current", _arrays.INT64), "current", _arrays.INDEX_TYPES)
        _check_memory(view.memory, memory, "current")
        _check_extents(view.shape, (shape.num_layers, shape.num_physical_experts), "current")
        out.current = view.address
        out.current_count = view.count
        out.current_type = view.type
    out.max_changes = -1 if max_changes is None else integer(max_changes, "max_changes", _BUDGETS)
    out.max_changes_per_layer = (
        -1
        if max_changes_per_layer is None
        else integer(max_changes_per_layer, "max_changes_per_layer", _LAYER_BUDGETS)
    )


def fill_seed(out: raw.eplb_input, seed: int) -> None:
    out.seed = integer(seed, "seed", _SEEDS)


def fill_maps(
    out: raw.eplb_maps, views: Views, shape: Shape, maps: Maps, writable: bool, memory: int = _arrays.HOST
) -> None:
    """Arrays to write a placement to, or to read it from."""
    layers, experts, slots = shape.num_layers, shape.num_logical_experts, shape.num_physical_experts
    out.memory = memory
    out.max_replicas = 0
    type_ = None
    for name, count, extents in (
        ("physical_to_logical", "physical_to_logical_count", (layers, slots)),
        ("replica_rank", "replica_rank_count", (layers, slots)),
        ("replica_count", "replica_count_count", (layers, experts)),
        ("logical_to_physical", "logical_to_physical_count", (layers, experts, None)),
    ):
        given = getattr(maps, name)
        if given is None:
            setattr(out, name, None)
            setattr(out, count, 0)
            continue
        if not writable:
            given = _arrays.unnest(given, name, _arrays.INT64)
        view = views.take(given, name, _arrays.INDEX_TYPES, writable)
        _check_memory(view.memory, memory, name)
        _check_extents(view.shape, extents, name)
        if type_ is None:
            out.type = type_ = view.type
        elif type_ != view.type:
            raise TypeError(
                f"the elements of {name} are {_arrays.TYPE_NAMES[view.type]}, those of another map"
                f" {_arrays.TYPE_NAMES[type_]}; all must be alike"
            )
        setattr(out, name, view.address)
        setattr(out, count, view.count)
        if extents[-1] is None:
            out.max_replicas = view.count // (layers * experts)


def new_maps(kind: Kind, shape: Shape, max_replicas: int, type_: int) -> Maps:
    """Arrays for a plan."""
    layers, experts, slots = shape.num_layers, shape.num_logical_experts, shape.num_physical_experts
    return Maps(
        kind.empty((layers, slots), type_),
        kind.empty((layers, slots), type_),
        kind.empty((layers, experts), type_),
        kind.empty((layers, experts, max_replicas), type_),
    )


class StatsBuffers:
    """The struct of the C interface for statistics, with arrays for those of layers and gpus."""

    def __init__(self, kind: Kind, shape: Shape):
        self._kind = kind.on_host()
        self.struct = raw.new(raw.eplb_stats)
        self._arrays = {
            "layer_balancedness": self._kind.empty((shape.num_layers,), _arrays.FLOAT64),
            "layer_bound": self._kind.empty((shape.num_layers,), _arrays.FLOAT64),
            "gpu_load": self._kind.empty((shape.num_layers, shape.num_gpus), _arrays.FLOAT64),
        }

    def fill(self, views: Views) -> None:
        for name, array in self._arrays.items():
            view = views.take(array, name, (_arrays.FLOAT64,), writable=True)
            setattr(self.struct, name, ctypes.cast(view.address, ctypes.POINTER(ctypes.c_double)))
            setattr(self.struct, name + "_count", view.count)

    def result(self) -> Stats:
        s = self.struct
        return Stats(
            max_replica_count=s.max_replica_count,
            balancedness=s.balancedness,
            balancedness_min=s.balancedness_min,
            bound=s.bound,
            empty_layers=s.empty_layers,
            duplicates=s.duplicates,
            changes=s.changes,
            **{name: self._kind.finish(array) for name, array in self._arrays.items()},
        )


def _check_memory(given: int, memory: int, name: str) -> None:
    if given != memory:
        place = ("host", "CUDA")
        raise ValueError(f"{name} is in {place[given]} memory; here it must be in {place[memory]} memory")


def _check_extents(got: Tuple[int, ...], wanted: Tuple[Optional[int], ...], name: str) -> None:
    """Flat arrays are left to the library, which wants them long enough; others must have the extents, None for any."""
    if len(got) == 1 or got == wanted:
        return
    if wanted[-1] is None and got[:-1] == wanted[:-1]:
        return
    extents = ", ".join("X" if extent is None else str(extent) for extent in wanted)
    raise ValueError(f"{name} has shape {got}; it must be ({extents})")
