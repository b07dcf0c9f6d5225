# SPDX-License-Identifier: MIT
"""The planner as vLLM calls it: a policy with class methods. Needs numpy and torch, which vLLM has."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any, Callable, List, Optional

import numpy
import torch

from ._data import extents_of
from ._deepseek import plannable, rebalance
from ._enums import Strategy
from ._errors import InvalidPlacementError
from ._settings import Options
from ._values import member

_log = logging.getLogger(__name__)


class DefaultEplbPolicy:
    """Takes the place of vLLM's policy of this name.

    For plans that move fewer experts, derive a class with ``options = eplb.Options(strategy="search")``: that starts
    from the placement in use, and ``max_changes_per_layer`` bounds what it moves.
    """

    options = Options(strategy="lpt")
    #: Most slots of a layer that a search may change, beside those that it has to: empty ones, as on new ranks, and as
    #: many as there are experts without a slot, as after ranks have left. Where no plan is within that, as when groups
    #: have yet to be brought onto one node each, a warning is logged and the plan made without a limit. None: no limit.
    max_changes_per_layer: Optional[int] = None

    @classmethod
    def rebalance_experts(
        cls,
        weight: Any,
        num_replicas: int,
        num_groups: int,
        num_nodes: int,
        num_ranks: int,
        old_global_expert_indices: Any = None,
    ) -> Any:
        """The expert in each slot, [layers, num_replicas], for loads [layers, num_logical_experts]; int64, on the CPU.
        vLLM of before 2026-03-18 gets the three maps of ``eplb.rebalance_experts()``, on the device of the loads.

        With ``old_global_expert_indices``, the expert in each slot now, -1 for none, experts that stay on their rank
        keep their slot. Ranks join and leave at the end: slots that it lacks are empty, those that it has beyond
        ``num_replicas`` are not looked at.
        """
        device = weight.device if hasattr(weight, "data_ptr") else "cpu"
        weight = torch.as_tensor(plannable(weight))
        layers, _ = extents_of(weight, "weight", most_dimensions=2)
        old = None
        if old_global_expert_indices is not None:
            old = _resize(_as_indices(old_global_expert_indices), layers, num_replicas)
        slots, inverse, count = cls._rebalance_from(old, weight, num_replicas, num_groups, num_nodes, num_ranks)
        source = numpy.broadcast_to(numpy.arange(num_replicas), tuple(slots.shape))
        if old is not None:
            kept, source = cls.preserve_intragpu_slots(slots.numpy(), source, num_ranks, old)
            slots = slots.new_tensor(kept)
        if not _wants_three_maps():
            return slots
        inverse = inverse.new_tensor(_renumber(inverse.numpy(), numpy.argsort(source, axis=1)))
        return tuple(one.to(device) for one in (slots, inverse, count))

    @classmethod
    def preserve_intragpu_slots(cls, phy2log: Any, *arguments: Any) -> Any:
        """``phy2log`` with the slots of each rank reordered, so that experts that were on it already keep their slot;
        the others fill the slots that are left, in their order.

        The arguments are the number of ranks and the ``phy2log`` before. A map that comes before them, as in vLLM of
        before 2026-03-18, is reordered alike, and both are returned.
        """
        *others, num_ranks, old_phy2log = arguments
        maps = (phy2log, *others)
        if num_ranks > 0 and phy2log.shape[1] % num_ranks == 0:
            per_rank = phy2log.shape[1] // num_ranks
            source = _seats(phy2log.reshape(-1, per_rank), old_phy2log.reshape(-1, per_rank))
            maps = tuple(
                numpy.take_along_axis(one.reshape(source.shape), source, axis=1).reshape(one.shape) for one in maps
            )
        return maps if others else maps[0]

    @classmethod
    def _rebalance_from(cls, old: Any, weight: Any, *rest: Any) -> Any:
        plan = partial(rebalance, weight, *rest, options=cls.options)
        if old is None or member(Strategy, cls.options.strategy or 0, "strategy") != Strategy.SEARCH:
            return plan()
        if cls.max_changes_per_layer is None:
            return plan(current=old)
        try:
            return _plan_within(cls.max_changes_per_layer, plan, old, weight.shape[1])
        except InvalidPlacementError as error:
            planned = plan(current=old)
            _log.warning("%s; this plan was made without the limit", error)
            return planned


def _plan_within(most: int, plan: Callable[..., Any], old: Any, experts: int) -> Any:
    """Each layer's own forced changes come on top of its limit, but a call has one limit for all: so a plan is made for
    each number of them, the largest first, the layers that have it are kept, and the last call changes nothing."""
    forced = _forced_changes(old, experts)
    numbers = sorted(set(forced.tolist()), reverse=True)
    start = old.copy()
    for number in numbers:
        planned = plan(current=start, max_changes_per_layer=most + number)
        if len(numbers) == 1:
            return planned
        start[forced == number] = planned[0].numpy()[forced == number]
    return plan(current=start, max_changes_per_layer=0)


def _wants_three_maps() -> bool:
    """Whether the vLLM that runs is one of before 2026-03-18. Its calls are those of later ones; what they expect is in
    the annotation of its abstract policy."""
    abstract = getattr(sys.modules.get("vllm.distributed.eplb.policy.abstract"), "AbstractEplbPolicy", None)
    function = getattr(abstract, "rebalance_experts", None)
    return "tuple" in str(getattr(function, "__annotations__", {}).get("return")).lower()


def _as_indices(given: Any) -> Any:
    """A map of any integers as int64, contiguous."""
    array = given.cpu().numpy() if hasattr(given, "data_ptr") else numpy.asarray(given)
    if array.dtype.kind not in "biu":
        raise TypeError(f"the elements of old_global_expert_indices are {array.dtype}; they must be integers")
    return numpy.ascontiguousarray(array, "int64")


def _resize(old: Any, layers: int, slots: int) -> Any:
    """The placement in use, cut or filled up with empty slots."""
    if old.ndim != 2 or old.shape[0] != layers:
        raise ValueError(f"old_global_expert_indices has shape {old.shape}; it must be ({layers}, slots)")
    empty = max(0, slots - old.shape[1])
    return numpy.pad(old[:, :slots], ((0, 0), (0, empty)), constant_values=-1)


def _forced_changes(old: Any, experts: int) -> Any:
    """Slots that any plan changes, of each layer."""
    rows: List[List[int]] = old.tolist()
    return numpy.array([max(row.count(-1), experts - len(set(row) - {-1})) for row in rows])


def _seats(new: Any, old: Any) -> Any:
    """For each slot of a rank, the slot of ``new`` [ranks, slots] that moves there. The k-th slot of an expert is
    matched with its k-th slot before."""
    same = (old[:, :, None] == new[:, None, :]) & (_occurrence(old)[:, :, None] == _occurrence(new)[:, None, :])
    stays, stayed = same.any(axis=2), same.any(axis=1)
    free = numpy.argsort(stays, axis=1, kind="stable")
    arriving = numpy.argsort(stayed, axis=1, kind="stable")
    source = numpy.empty_like(free)
    numpy.put_along_axis(source, free, arriving, axis=1)
    return numpy.where(stays, same.argmax(axis=2), source)


def _occurrence(rows: Any) -> Any:
    """How many elements before each one in its row are equal to it."""
    equal = rows[:, :, None] == rows[:, None, :]
    return numpy.tril(equal, -1).sum(axis=2)


def _renumber(inverse: Any, moved_to: Any) -> Any:
    """The slots of each expert, [layers, experts, X], once each slot has moved; -1 stays."""
    moved = numpy.take_along_axis(moved_to, inverse.reshape(len(inverse), -1), axis=1)
    return numpy.where(inverse < 0, -1, moved.reshape(inverse.shape))
