# SPDX-License-Identifier: MIT
# Made from eplb.h by bindings/generate.py.
"""The constants of the header as enumerations."""

from enum import IntEnum
from typing import Dict, Type

from . import _header as raw

__all__ = [
    "AmplitudeForm",
    "Backend",
    "Duplicates",
    "ElementType",
    "Initial",
    "LogLevel",
    "Memory",
    "Objective",
    "Policy",
    "Samples",
    "Selection",
    "Status",
    "Strategy",
    "SwapScope",
]


class Status(IntEnum):
    """What a call answers. Values never change; new ones are appended, so treat an unknown one as an error."""

    #: Done.
    SUCCESS = raw.EPLB_SUCCESS
    #: Work on a stream has not finished; not an error.
    NOT_READY = raw.EPLB_NOT_READY
    #: A NULL, an impossible shape, an unknown value.
    INVALID_ARGUMENT = raw.EPLB_ERROR_INVALID_ARGUMENT
    #: A load is NaN, infinite or negative, or, in planning, a layer's total overflows float32.
    INVALID_LOAD = raw.EPLB_ERROR_INVALID_LOAD
    #: A placement names no expert, leaves one out, or contradicts itself; a current one needs more changes than are
    #: allowed.
    INVALID_PLACEMENT = raw.EPLB_ERROR_INVALID_PLACEMENT
    #: No plan yet; the context is in use, or was created before a fork.
    INVALID_STATE = raw.EPLB_ERROR_INVALID_STATE
    #: struct_size is not set, or fields are set that this library does not know.
    STRUCT_SIZE = raw.EPLB_ERROR_STRUCT_SIZE
    #: A buffer of the caller's is shorter than its shape.
    BUFFER_TOO_SMALL = raw.EPLB_ERROR_BUFFER_TOO_SMALL
    #: Memory or a thread could not be had.
    OUT_OF_MEMORY = raw.EPLB_ERROR_OUT_OF_MEMORY
    #: Not in this build, or no driver or device on this machine.
    UNAVAILABLE = raw.EPLB_ERROR_UNAVAILABLE
    #: The progress callback asked to stop.
    CANCELLED = raw.EPLB_ERROR_CANCELLED
    #: A CUDA call failed.
    CUDA = raw.EPLB_ERROR_CUDA
    #: A bug in this library, or a callback that threw.
    INTERNAL = raw.EPLB_ERROR_INTERNAL


class Strategy(IntEnum):
    """How a placement is found. Every value but AUTO and SEARCH is a preset of the five packing choices in Options and
    never changes its maps."""

    #: What we recommend, by the shape and max_samples of the options (in one call: by its samples and its current
    #: placement); may become better between minor versions.
    AUTO = raw.EPLB_STRATEGY_AUTO
    #: Heaviest first, to the lightest gpu with room (DeepSeek's EPLB).
    LPT = raw.EPLB_STRATEGY_LPT
    #: lpt, then 20 swaps between the heaviest and the lightest gpu.
    LPT_SWAP_MINMAX = raw.EPLB_STRATEGY_LPT_SWAP_MINMAX
    #: 4 perturbed lpt-swap-minmax, the one with the least spread.
    LPT_RESTART4 = raw.EPLB_STRATEGY_LPT_RESTART4
    #: lpt, then 50 swaps between the heaviest and any gpu.
    LPT_SWAP_ANY = raw.EPLB_STRATEGY_LPT_SWAP_ANY
    #: 64 perturbed lpt with 20 swaps heaviest to any, the lowest peak.
    LPT_RESTART64_ANY = raw.EPLB_STRATEGY_LPT_RESTART64_ANY
    #: lpt, then 50 swaps between any two gpus, on the sum of squares.
    LPT_SWAP_L2 = raw.EPLB_STRATEGY_LPT_SWAP_L2
    #: Dealt to and fro, then 20 swaps heaviest to lightest.
    ZIGZAG_SWAP_MINMAX = raw.EPLB_STRATEGY_ZIGZAG_SWAP_MINMAX
    #: 64 perturbed lpt-swap-minmax, the lowest peak.
    LPT_RESTART64_MINMAX = raw.EPLB_STRATEGY_LPT_RESTART64_MINMAX
    #: A tabu search over placements: under each sample by itself, on gpus as they are, from the current placement if
    #: there is one, without two replicas of an expert on one gpu. Unlike the presets it may change between minor
    #: versions.
    SEARCH = raw.EPLB_STRATEGY_SEARCH


class Policy(IntEnum):
    """What counts as a locality boundary."""

    #: Global if there is 1 group and 1 node, which is the same; else hierarchical if num_groups % num_nodes == 0 and
    #: the nodes are alike: as many gpus that have slots, slots and speed on each. Global otherwise, as after the loss
    #: of a gpu or a node.
    AUTO = raw.EPLB_POLICY_AUTO
    #: Groups to nodes, replicas within their node, replicas to gpus.
    HIERARCHICAL = raw.EPLB_POLICY_HIERARCHICAL
    #: Groups and nodes are ignored.
    GLOBAL = raw.EPLB_POLICY_GLOBAL


class Backend(IntEnum):
    """Where a plan is computed."""

    #: Where the memory is: CPU for host memory, CUDA for CUDA memory.
    AUTO = raw.EPLB_BACKEND_AUTO
    #: On the host; needs no driver and never makes a CUDA call.
    CPU = raw.EPLB_BACKEND_CPU
    #: On one CUDA device.
    CUDA = raw.EPLB_BACKEND_CUDA


class Memory(IntEnum):
    """Where a buffer is."""

    #: Host memory, pageable or pinned.
    HOST = raw.EPLB_MEMORY_HOST
    #: What the context's CUDA device can address: its own memory, managed, or pinned.
    CUDA = raw.EPLB_MEMORY_CUDA


class ElementType(IntEnum):
    """The element type of a buffer."""

    #: float; loads.
    FLOAT32 = raw.EPLB_TYPE_FLOAT32
    #: double; loads.
    FLOAT64 = raw.EPLB_TYPE_FLOAT64
    #: int32_t; loads and maps.
    INT32 = raw.EPLB_TYPE_INT32
    #: int64_t; loads and maps.
    INT64 = raw.EPLB_TYPE_INT64


class Initial(IntEnum):
    """The first packing of the items."""

    #: As the strategy has it.
    PRESET = raw.EPLB_INITIAL_PRESET
    #: Heaviest first, each to the lightest pack that has room.
    LPT = raw.EPLB_INITIAL_LPT
    #: Heaviest first, to packs 0..m-1, m-1..0, 0..m-1, ...
    ZIGZAG = raw.EPLB_INITIAL_ZIGZAG


class AmplitudeForm(IntEnum):
    """How strongly candidate c of C is perturbed; candidate 0 never is."""

    #: As the strategy has it.
    PRESET = raw.EPLB_AMPLITUDE_PRESET
    #: All by the same amplitude.
    CONSTANT = raw.EPLB_AMPLITUDE_CONSTANT
    #: By amplitude * c / (C - 1).
    LINEAR = raw.EPLB_AMPLITUDE_LINEAR


class SwapScope(IntEnum):
    """Which two items may change places after the first packing."""

    #: As the strategy has it.
    PRESET = raw.EPLB_SWAP_PRESET
    #: None.
    NONE = raw.EPLB_SWAP_NONE
    #: One of the heaviest pack, one of the lightest; lowers the peak.
    HEAVIEST_LIGHTEST = raw.EPLB_SWAP_HEAVIEST_LIGHTEST
    #: One of the heaviest pack, one of any other; lowers the peak.
    HEAVIEST_ANY = raw.EPLB_SWAP_HEAVIEST_ANY
    #: Any two of different packs; lowers the sum of squared loads.
    ANY_ANY = raw.EPLB_SWAP_ANY_ANY


class Selection(IntEnum):
    """Which candidate is the best."""

    #: As the strategy has it.
    PRESET = raw.EPLB_SELECTION_PRESET
    #: The one whose heaviest pack is lightest.
    MAX_LOAD = raw.EPLB_SELECTION_MAX_LOAD
    #: The one with the least difference between heaviest and lightest pack.
    SPREAD = raw.EPLB_SELECTION_SPREAD


class Samples(IntEnum):
    """What becomes of several samples of the loads."""

    #: As the strategy has it: search keeps them apart, the others add them up.
    PRESET = raw.EPLB_SAMPLES_PRESET
    #: Each is scaled to one total, and the plan is to be good under each. Search only.
    EACH = raw.EPLB_SAMPLES_EACH
    #: They are added up, as if recorded in one piece.
    SUM = raw.EPLB_SAMPLES_SUM


class Objective(IntEnum):
    """What a search makes small: the sum over gpus and samples of a power of what each has to bear."""

    #: The 4th power for one sample, for which any will do; the 32nd for several.
    PRESET = raw.EPLB_OBJECTIVE_PRESET
    #: Gpus below the peak count as well. Faster.
    POWER4 = raw.EPLB_OBJECTIVE_POWER4
    #: Nearly the peak alone. Better under loads to come, if there are several samples.
    POWER32 = raw.EPLB_OBJECTIVE_POWER32


class Duplicates(IntEnum):
    """Whether two replicas of an expert may be on one gpu, where they are of little use."""

    #: As the strategy has it: search avoids them, the others do not look.
    PRESET = raw.EPLB_DUPLICATES_PRESET
    #: No expert twice on a gpu, wherever there are gpus enough. Search only.
    AVOID = raw.EPLB_DUPLICATES_AVOID
    #: It does not matter.
    ALLOW = raw.EPLB_DUPLICATES_ALLOW


class LogLevel(IntEnum):
    """The severity of a log line."""

    #: Nothing is logged.
    NONE = raw.EPLB_LOG_NONE
    #: Something is not as it was probably meant: more threads than there is work for.
    WARNING = raw.EPLB_LOG_WARNING
    #: What was chosen when a context is created.
    INFO = raw.EPLB_LOG_INFO
    #: A line for each plan.
    DEBUG = raw.EPLB_LOG_DEBUG


#: Of the options that have one.
ENUM_OF_OPTION: Dict[str, Type[IntEnum]] = {
    "strategy": Strategy,
    "policy": Policy,
    "backend": Backend,
    "memory": Memory,
    "initial": Initial,
    "amplitude_form": AmplitudeForm,
    "swap_scope": SwapScope,
    "selection": Selection,
    "log_level": LogLevel,
    "samples": Samples,
    "duplicates": Duplicates,
    "objective": Objective,
}
