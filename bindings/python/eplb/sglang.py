# SPDX-License-Identifier: MIT
"""The planner as SGLang calls it."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from ._deepseek import rebalance
from ._settings import Options


def rebalance_experts(
    tokens_per_expert: Any,
    num_physical_experts: int,
    num_local_physical_experts: int,
    num_groups: Optional[int],
    num_nodes: int,
    algorithm: Any,
) -> Tuple[Any, Any, Any]:
    """SGLang's ``eplb_algorithms.rebalance_experts()``.

    ``tokens_per_expert`` is [steps, layers, num_logical_experts]; the steps are added up. ``algorithm`` is a member of
    SGLang's EplbAlgorithm, or its name: ``deepseek`` or ``deepseek_hierarchical``, which give SGLang's plans.

    Returns what ``eplb.rebalance_experts()`` returns.
    """
    name = getattr(algorithm, "name", algorithm)
    if name not in ("deepseek", "deepseek_hierarchical"):
        raise NotImplementedError(f"algorithm {name} is not in libeplb; deepseek and deepseek_hierarchical are")
    is_hierarchical = name == "deepseek_hierarchical"
    if is_hierarchical and num_groups is None:
        raise ValueError("num_groups is None, which deepseek_hierarchical cannot do with")
    return rebalance(
        tokens_per_expert.sum(0),
        num_physical_experts,
        num_groups if num_groups is not None else 1,
        num_nodes,
        num_physical_experts // num_local_physical_experts,
        Options(strategy="lpt", policy="hierarchical" if is_hierarchical else "global"),
    )
