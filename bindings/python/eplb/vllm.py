# SPDX-License-Identifier: MIT
"""The planner as vLLM calls it: a policy with class methods. Needs numpy and torch, which vLLM has."""

from __future__ import annotations

from typing import Any, Optional

import numpy

from ._deepseek import rebalance
from ._enums import Strategy
from ._settings import Options
from ._values import member


class DefaultEplbPolicy:
    """Takes the place of vLLM's policy of this name and gives its plans.

    For plans that move fewer experts, derive a class with ``options = eplb.Options(strategy="search")``: that starts
    from the placement in use, and ``max_changes_per_layer`` bounds what it moves.
    """

    options = Options(strategy="lpt")
    #: Most slots of a layer that a search may change; None: no limit.
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

        With ``old_global_expert_indices``, the expert in each slot now, experts that stay on their rank keep their
        slot.
        """
        old = old_global_expert_indices
        if old is not None and tuple(old.shape) != (weight.shape[0], num_replicas):
            old = None  # ranks were added or removed
        submitted = {}
        if old is not None and member(Strategy, cls.options.strategy or 0, "strategy") == Strategy.SEARCH:
            submitted = {"current": old.cpu().contiguous(), "max_changes_per_layer": cls.max_changes_per_layer}
        planned, _, _ = rebalance(weight, num_replicas, num_groups, num_nodes, num_ranks, cls.options, **submitted)
        if old is None:
            return planned
        kept = cls.preserve_intragpu_slots(planned.numpy(), num_ranks, old.cpu().numpy())
        return planned.new_tensor(kept)

    @classmethod
    def preserve_intragpu_slots(cls, phy2log: Any, num_ranks: int, old_phy2log: Any) -> Any:
        """``phy2log`` with the slots of each rank reordered, so that experts that were on it already keep their slot;
        the others fill the slots that are left, in their order."""
        if num_ranks <= 0 or phy2log.shape[1] % num_ranks != 0:
            return phy2log
        new = phy2log.reshape(-1, phy2log.shape[1] // num_ranks)
        old = old_phy2log.reshape(new.shape)
        # The k-th slot of an expert on a rank is matched with its k-th slot there before.
        same = (old[:, :, None] == new[:, None, :]) & (_occurrence(old)[:, :, None] == _occurrence(new)[:, None, :])
        stays, stayed = same.any(axis=2), same.any(axis=1)
        free = numpy.argsort(stays, axis=1, kind="stable")
        arriving = numpy.argsort(stayed, axis=1, kind="stable")
        out = numpy.empty_like(new)
        numpy.put_along_axis(out, free, numpy.take_along_axis(new, arriving, axis=1), axis=1)
        return numpy.where(stays, old, out).reshape(phy2log.shape)


def _occurrence(rows: Any) -> Any:
    """How many elements before each one in its row are equal to it."""
    equal = rows[:, :, None] == rows[:, None, :]
    return numpy.tril(equal, -1).sum(axis=2)
