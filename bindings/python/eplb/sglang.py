# SPDX-License-Identifier: MIT
"""The planner as SGLang calls it: ``rebalance_experts()``, which takes the place of SGLang's function of this name."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import Any, Callable, Optional, Tuple

from ._deepseek import rebalance
from ._settings import Options

_Function = Callable[..., Tuple[Any, Any, Any]]
_ALGORITHMS = "sglang.srt.eplb.eplb_algorithms"


def __getattr__(name: str) -> Any:
    # Whoever takes it may put it where SGLang's own function is, which is out of reach from then on.
    if name != "rebalance_experts":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(_rebalance_experts, getattr(sys.modules.get(_ALGORITHMS), name, None))


def _rebalance_experts(
    own: Optional[_Function],
    tokens_per_expert: Any,
    num_physical_experts: int,
    num_local_physical_experts: int,
    num_groups: Optional[int],
    num_nodes: int,
    algorithm: Any,
) -> Tuple[Any, Any, Any]:
    """SGLang's ``eplb_algorithms.rebalance_experts()``; ``own`` is that function itself.

    ``tokens_per_expert`` is [steps, layers, num_logical_experts], whose steps are added up, or without steps.
    ``algorithm`` is a member of SGLang's EplbAlgorithm, or its name. ``deepseek`` and ``deepseek_hierarchical`` are
    planned here; others by SGLang.

    Returns what ``eplb.rebalance_experts()`` returns.
    """
    name = getattr(algorithm, "name", algorithm)
    if name not in ("deepseek", "deepseek_hierarchical"):
        return (own or _own_function(name))(
            tokens_per_expert=tokens_per_expert,
            num_physical_experts=num_physical_experts,
            num_local_physical_experts=num_local_physical_experts,
            num_groups=num_groups,
            num_nodes=num_nodes,
            algorithm=algorithm,
        )
    is_hierarchical = name == "deepseek_hierarchical"
    if is_hierarchical and num_groups is None:
        raise ValueError("num_groups is None, which deepseek_hierarchical cannot do with")
    if num_local_physical_experts < 1 or num_physical_experts % num_local_physical_experts != 0:
        raise ValueError(
            f"num_local_physical_experts is {num_local_physical_experts}; it must divide num_physical_experts, "
            f"{num_physical_experts}"
        )
    return rebalance(
        _sum_of_steps(tokens_per_expert) if tokens_per_expert.ndim == 3 else tokens_per_expert,
        num_physical_experts,
        num_groups if num_groups is not None else 1,
        num_nodes,
        num_physical_experts // num_local_physical_experts,
        Options(strategy="lpt", policy="hierarchical" if is_hierarchical else "global"),
    )


def _sum_of_steps(tokens: Any) -> Any:
    """Halves are added up as float32: their sum would be rounded, or beyond what they hold."""
    if "float16" not in str(tokens.dtype):
        return tokens.sum(0)
    return tokens.sum(0, dtype=sys.modules["torch"].float32 if hasattr(tokens, "data_ptr") else "float32")


def _own_function(algorithm: str) -> _Function:
    """SGLang's function, where it was not there yet when ours was taken."""
    problem = f"algorithm {algorithm} is SGLang's own; libeplb has deepseek and deepseek_hierarchical"
    try:
        own: _Function = importlib.import_module(_ALGORITHMS).rebalance_experts
    except ImportError as error:
        raise NotImplementedError(f"{problem}, and SGLang cannot be imported: {error}") from error
    if getattr(own, "args", None) == (None,):  # it is ours, taken before
        raise NotImplementedError(f"{problem}; take rebalance_experts from eplb.sglang after {_ALGORITHMS} is imported")
    return own
