# SPDX-License-Identifier: MIT
"""The constants of the header as enumerations. A string serves as well wherever one is taken: "lpt-swap-any"."""

from __future__ import annotations

from enum import IntEnum
from typing import Type, TypeVar, Union

from . import raw


class Status(IntEnum):
    """What a call of the library answered."""

    SUCCESS = raw.EPLB_SUCCESS
    NOT_READY = raw.EPLB_NOT_READY
    INVALID_ARGUMENT = raw.EPLB_ERROR_INVALID_ARGUMENT
    INVALID_LOAD = raw.EPLB_ERROR_INVALID_LOAD
    INVALID_PLACEMENT = raw.EPLB_ERROR_INVALID_PLACEMENT
    INVALID_STATE = raw.EPLB_ERROR_INVALID_STATE
    STRUCT_SIZE = raw.EPLB_ERROR_STRUCT_SIZE
    BUFFER_TOO_SMALL = raw.EPLB_ERROR_BUFFER_TOO_SMALL
    OUT_OF_MEMORY = raw.EPLB_ERROR_OUT_OF_MEMORY
    UNAVAILABLE = raw.EPLB_ERROR_UNAVAILABLE
    CANCELLED = raw.EPLB_ERROR_CANCELLED
    CUDA = raw.EPLB_ERROR_CUDA
    INTERNAL = raw.EPLB_ERROR_INTERNAL


class Strategy(IntEnum):
    """How a placement is found. Every one but AUTO and SEARCH never changes its maps."""

    AUTO = raw.EPLB_STRATEGY_AUTO
    LPT = raw.EPLB_STRATEGY_LPT
    LPT_SWAP_MINMAX = raw.EPLB_STRATEGY_LPT_SWAP_MINMAX
    LPT_RESTART4 = raw.EPLB_STRATEGY_LPT_RESTART4
    LPT_SWAP_ANY = raw.EPLB_STRATEGY_LPT_SWAP_ANY
    LPT_RESTART64_ANY = raw.EPLB_STRATEGY_LPT_RESTART64_ANY
    LPT_SWAP_L2 = raw.EPLB_STRATEGY_LPT_SWAP_L2
    ZIGZAG_SWAP_MINMAX = raw.EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX
    LPT_RESTART64_MINMAX = raw.EPLB_STRATEGY_LPT_RESTART64_MINMAX
    SEARCH = raw.EPLB_STRATEGY_SEARCH


class Policy(IntEnum):
    """What counts as a locality boundary."""

    AUTO = raw.EPLB_POLICY_AUTO
    HIERARCHICAL = raw.EPLB_POLICY_HIERARCHICAL
    GLOBAL = raw.EPLB_POLICY_GLOBAL


class Backend(IntEnum):
    """Where a plan is computed."""

    AUTO = raw.EPLB_BACKEND_AUTO
    CPU = raw.EPLB_BACKEND_CPU
    CUDA = raw.EPLB_BACKEND_CUDA


class Memory(IntEnum):
    """Where loads and maps are."""

    HOST = raw.EPLB_MEMORY_HOST
    CUDA = raw.EPLB_MEMORY_CUDA


class ElementType(IntEnum):
    """Type of the elements of an array."""

    FLOAT32 = raw.EPLB_TYPE_FLOAT32
    FLOAT64 = raw.EPLB_TYPE_FLOAT64
    INT32 = raw.EPLB_TYPE_INT32
    INT64 = raw.EPLB_TYPE_INT64


class Initial(IntEnum):
    """First packing of the items."""

    PRESET = raw.EPLB_INITIAL_PRESET
    LPT = raw.EPLB_INITIAL_LPT
    ZIGZAG = raw.EPLB_INITIAL_ZIGZAG


class AmplitudeForm(IntEnum):
    """How strongly each candidate is perturbed."""

    PRESET = raw.EPLB_AMPLITUDE_PRESET
    CONSTANT = raw.EPLB_AMPLITUDE_CONSTANT
    LINEAR = raw.EPLB_AMPLITUDE_LINEAR


class SwapScope(IntEnum):
    """Which two items may change places after the first packing."""

    PRESET = raw.EPLB_SWAP_PRESET
    NONE = raw.EPLB_SWAP_NONE
    HEAVIEST_LIGHTEST = raw.EPLB_SWAP_HEAVIEST_LIGHTEST
    HEAVIEST_ANY = raw.EPLB_SWAP_HEAVIEST_ANY
    ANY_ANY = raw.EPLB_SWAP_ANY_ANY


class Selection(IntEnum):
    """Which candidate is the best."""

    PRESET = raw.EPLB_SELECTION_PRESET
    MAX_LOAD = raw.EPLB_SELECTION_MAX_LOAD
    SPREAD = raw.EPLB_SELECTION_SPREAD


class Samples(IntEnum):
    """What becomes of several samples of the loads."""

    PRESET = raw.EPLB_SAMPLES_PRESET
    EACH = raw.EPLB_SAMPLES_EACH
    SUM = raw.EPLB_SAMPLES_SUM


class Objective(IntEnum):
    """What a search makes small."""

    PRESET = raw.EPLB_OBJECTIVE_PRESET
    POWER4 = raw.EPLB_OBJECTIVE_POWER4
    POWER32 = raw.EPLB_OBJECTIVE_POWER32


class Duplicates(IntEnum):
    """Whether two replicas of an expert may be on one gpu."""

    PRESET = raw.EPLB_DUPLICATES_PRESET
    AVOID = raw.EPLB_DUPLICATES_AVOID
    ALLOW = raw.EPLB_DUPLICATES_ALLOW


class LogLevel(IntEnum):
    """Severity of a log line."""

    NONE = raw.EPLB_LOG_NONE
    WARNING = raw.EPLB_LOG_WARNING
    INFO = raw.EPLB_LOG_INFO
    DEBUG = raw.EPLB_LOG_DEBUG


_Enum = TypeVar("_Enum", bound=IntEnum)


def known(enum: Type[_Enum], value: int) -> int:
    """The member of a value that the library gave; the value itself if the library is newer than this package."""
    try:
        return enum(value)
    except ValueError:
        return value


def member(enum: Type[_Enum], given: Union[str, int], name: str) -> _Enum:
    """The member that a user means by its name, in any case and with - or _, or by its value."""
    try:
        return enum[given.upper().replace("-", "_")] if isinstance(given, str) else enum(given)
    except (KeyError, ValueError):
        known = ", ".join(one.name.lower().replace("_", "-") for one in enum)
        raise ValueError(f"{name} is {given!r}; it must be one of {known}") from None
