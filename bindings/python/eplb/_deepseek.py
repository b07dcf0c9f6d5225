# SPDX-License-Identifier: MIT
"""The planner with the signature that DeepSeek's EPLB gave it, which engines call."""

from __future__ import annotations

import sys
from typing import Any, Tuple

from . import _arrays
from ._data import Maps, extents_of
from ._enums import Policy, Strategy
from ._errors import InvalidArgumentError
from ._planner import Planner
from ._settings import Options, Shape


def rebalance_experts(
    weight: Any, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int
) -> Tuple[Any, Any, Any]:
    """DeepSeek's ``rebalance_experts()``: the same arguments, the same results.

    ``weight`` is [layers, num_logical_experts], the load of each expert: a torch tensor of any type, on any device, or
    a numpy array or nested lists. Returns, as int64 in host memory and as the same kind of array:

    - physical_to_logical_map [layers, num_replicas],
    - logical_to_physical_map [layers, num_logical_experts, X], X the largest replica count, filled up with -1,
    - expert_count [layers, num_logical_experts].

    Raises AssertionError where the shape is impossible, as the original does, and InvalidLoadError, a ValueError, where
    a load is NaN, infinite or negative.
    """
    is_global = num_nodes > 0 and num_groups % num_nodes != 0
    options = Options(strategy=Strategy.LPT, policy=Policy.GLOBAL if is_global else Policy.HIERARCHICAL)
    return rebalance(weight, num_replicas, num_groups, num_nodes, num_gpus, options)


def rebalance(
    weight: Any, num_replicas: int, num_groups: int, num_nodes: int, num_gpus: int, options: Options, **submitted: Any
) -> Tuple[Any, Any, Any]:
    """The same with any options, and with any of the keyword arguments of ``Planner.submit()``."""
    loads = plannable(weight)
    layers, experts = extents_of(_arrays.unnest(loads, "weight", _arrays.FLOAT64), "weight", most_dimensions=2)
    shape = Shape(layers, experts, num_replicas, num_gpus, num_groups, num_nodes)
    kind = _arrays.kind_of(loads)
    try:
        with Planner(shape, options) as planner:
            planner.submit(loads, **submitted)
            out = Maps(
                physical_to_logical=kind.empty((layers, num_replicas), _arrays.INT64),
                replica_count=kind.empty((layers, experts), _arrays.INT64),
                logical_to_physical=kind.empty((layers, experts, planner.max_replica_count()), _arrays.INT64),
            )
            planner.get_maps(out)
    except InvalidArgumentError as error:
        raise AssertionError(str(error)) from error
    return kind.finish(out.physical_to_logical), kind.finish(out.logical_to_physical), kind.finish(out.replica_count)


def plannable(weight: Any) -> Any:
    """Loads of any element type, layout and device as ones that the planner takes: those it takes already are not
    copied."""
    numpy = sys.modules.get("numpy")
    if hasattr(weight, "data_ptr"):
        _refuse_complex(weight, weight.is_complex())
        known = str(weight.dtype).rpartition(".")[2] in _arrays.TYPE_NAMES.values()
        return (weight if known else weight.float()).detach().cpu().contiguous()
    if numpy is not None and isinstance(weight, numpy.ndarray):
        _refuse_complex(weight, weight.dtype.kind == "c")
        known = weight.dtype.isnative and weight.dtype.name in _arrays.TYPE_NAMES.values()
        return numpy.ascontiguousarray(weight, None if known else "float32")
    return weight


def _refuse_complex(weight: Any, is_complex: bool) -> None:
    if is_complex:
        raise TypeError(f"the elements of weight are {weight.dtype}; they must be real numbers")
