# SPDX-License-Identifier: MIT
"""libeplb: which gpu holds which expert of a Mixture-of-Experts model, and which experts get replicas.

``Planner`` plans a shape again and again, ``plan()`` once; ``rebalance_experts()`` takes the place of DeepSeek's
function of this name. ``eplb.raw`` is the C interface as it is.
"""

from . import _enums, _functions
from ._data import Maps, Plan, Stats
from ._deepseek import rebalance_experts
from ._enums import *
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
from ._functions import *
from ._planner import Planner
from ._settings import Options, Shape
from .raw import load

__all__ = [
    "BufferTooSmallError",
    "CancelledError",
    "CudaError",
    "EplbError",
    "InvalidArgumentError",
    "InvalidLoadError",
    "InvalidPlacementError",
    "InvalidStateError",
    "Maps",
    "Options",
    "OutOfMemoryError",
    "Plan",
    "Planner",
    "Shape",
    "Stats",
    "UnavailableError",
    "load",
    "rebalance_experts",
]
__all__ += _enums.__all__
__all__ += _functions.__all__
