# SPDX-License-Identifier: MIT
"""libeplb: which gpu holds which expert of a Mixture-of-Experts model, and which experts get replicas.

``Planner`` plans a shape again and again, ``plan()`` once; ``rebalance_experts()`` takes the place of DeepSeek's
function of this name. ``eplb.raw`` is the C interface as it is.
"""

from ._data import Maps, Plan, Stats
from ._deepseek import rebalance_experts
from ._enums import AmplitudeForm, Backend, Duplicates, ElementType, Initial, LogLevel, Memory, Objective, Policy
from ._enums import Samples, Selection, Status, Strategy, SwapScope
from ._errors import (
    BufferTooSmallError,
    CancelledError,
    CudaError,
    EplbError,
    InvalidArgumentError,
    InvalidLoadError,
    InvalidPlacementError,
    InvalidStateError,
    OutOfMemoryError,
    UnavailableError,
)
from ._functions import (
    MemoryNeeded,
    balanced_packing,
    build_info,
    check,
    devices,
    memory_needed,
    plan,
    replicate_experts,
    score,
    strategies,
    version,
    why_unavailable,
)
from ._planner import Planner
from ._settings import Options, Shape
from .raw import load

__all__ = [
    "AmplitudeForm",
    "Backend",
    "BufferTooSmallError",
    "CancelledError",
    "CudaError",
    "Duplicates",
    "ElementType",
    "EplbError",
    "Initial",
    "InvalidArgumentError",
    "InvalidLoadError",
    "InvalidPlacementError",
    "InvalidStateError",
    "LogLevel",
    "Maps",
    "Memory",
    "MemoryNeeded",
    "Objective",
    "Options",
    "OutOfMemoryError",
    "Plan",
    "Planner",
    "Policy",
    "Samples",
    "Selection",
    "Shape",
    "Stats",
    "Status",
    "Strategy",
    "SwapScope",
    "UnavailableError",
    "balanced_packing",
    "build_info",
    "check",
    "devices",
    "load",
    "memory_needed",
    "plan",
    "rebalance_experts",
    "replicate_experts",
    "score",
    "strategies",
    "version",
    "why_unavailable",
]
