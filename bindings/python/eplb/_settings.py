# SPDX-License-Identifier: MIT
"""What to place on what, and how: the structs eplb_shape and eplb_options as dataclasses."""

from __future__ import annotations

import ctypes
import operator
from dataclasses import dataclass, fields
from typing import Any, Callable, Optional, Sequence, Union

from . import raw
from ._enums import AmplitudeForm, Backend, Duplicates, Initial, LogLevel, Memory, Objective, Policy, Samples
from ._enums import ENUM_OF_OPTION, Selection, Strategy, SwapScope
from ._values import known, member

_INT32 = range(-(2**31), 2**31)
_EXTENTS = range(1, 65536)


def integer(given: Any, name: str, extent: range = _INT32) -> int:
    """An int that fits into its C type, which ctypes would cut."""
    try:
        value = operator.index(given)
    except TypeError:
        raise TypeError(f"{name} is {given!r}; it must be an integer") from None
    if value not in extent:
        raise ValueError(f"{name} is {value}; it must be from {extent.start} to {extent.stop - 1}")
    return value


def real(given: Any, name: str) -> float:
    """A float of any number, but not of a text."""
    if not hasattr(given, "__float__"):
        raise TypeError(f"{name} is {given!r}; it must be a number")
    return float(given)


@dataclass(frozen=True)
class Shape:
    """The model's layers and experts, and the cluster they are placed on. Each extent is 1 to 65535."""

    #: L, MoE layers.
    num_layers: int
    #: E, experts in a layer.
    num_logical_experts: int
    #: P, slots of a layer over all gpus.
    num_physical_experts: int
    #: G, gpus over all nodes.
    num_gpus: int
    #: Router groups of consecutive experts; 1 if the model has none.
    num_groups: int = raw.DEFAULTS["eplb_shape"]["num_groups"]
    #: Nodes, within which gpus have fast links.
    num_nodes: int = raw.DEFAULTS["eplb_shape"]["num_nodes"]
    #: Slots of each gpu, P in all; 0 for one that is dead or leaving. None: all alike.
    slots_per_gpu: Optional[Sequence[int]] = None
    #: Relative speed of each gpu. None: all alike.
    speed_of_gpu: Optional[Sequence[float]] = None
    #: Node of each gpu. None: as many on each node, in order.
    node_of_gpu: Optional[Sequence[int]] = None

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in _ARRAYS:
                object.__setattr__(self, field.name, integer(getattr(self, field.name), field.name, _EXTENTS))

    def to_c(self) -> raw.eplb_shape:
        """The struct of the C interface."""
        out = raw.new(raw.eplb_shape)
        for field in fields(self):
            given = getattr(self, field.name)
            if field.name not in _ARRAYS:
                setattr(out, field.name, given)
            elif given is not None:
                values = _array(given, field.name)
                setattr(out, field.name, values)
                setattr(out, field.name + "_count", len(values))
        return out


_ARRAYS = {"slots_per_gpu": ctypes.c_int32, "speed_of_gpu": ctypes.c_float, "node_of_gpu": ctypes.c_int32}


def _array(given: Sequence[Any], name: str) -> ctypes.Array[Any]:
    element: Any = _ARRAYS[name]
    try:
        values = [real(one, name) if element is ctypes.c_float else integer(one, name) for one in given]
    except TypeError as error:
        raise TypeError(f"{name} must be a sequence of numbers: {error}") from None
    made: ctypes.Array[Any] = (element * len(values))(*values)
    return made


@dataclass(frozen=True)
class Options:
    """How to plan. What is None is at the library's default."""

    #: How a placement is found; default auto.
    strategy: Union[Strategy, str, None] = None
    #: Whether groups stay on a node; default auto: DeepSeek's rule.
    policy: Union[Policy, str, None] = None
    #: Default auto: where the memory is.
    backend: Union[Backend, str, None] = None
    #: Where the loads and maps are that a planner will be given; default host.
    memory: Union[Memory, str, None] = None
    #: CUDA device; default the calling thread's current one.
    device: Optional[int] = None
    #: Threads of the CPU backend, the caller's included; default 1; 0: all that the affinity mask allows.
    num_threads: Optional[int] = None
    #: Largest number of samples in one submit; default 1.
    max_samples: Optional[int] = None
    #: First packing. This and the next six mix a strategy of your own.
    initial: Union[Initial, str, None] = None
    #: Attempts at each packing problem.
    candidates: Optional[int] = None
    #: Largest relative perturbation of the sort keys.
    amplitude: Optional[float] = None
    amplitude_form: Union[AmplitudeForm, str, None] = None
    swap_scope: Union[SwapScope, str, None] = None
    #: Most swaps in one attempt.
    max_swaps: Optional[int] = None
    selection: Union[Selection, str, None] = None
    #: The most that is sent to ``log_fn``; default info.
    log_level: Union[LogLevel, str, None] = None
    #: Takes the level, a LogLevel, and the text of a log line. What it raises goes to ``sys.unraisablehook``.
    log_fn: Optional[Callable[[int, str], object]] = None
    #: Takes the units of work that are done and their total; cancels by returning anything true, or by raising,
    #: which the call that plans then raises. Either leaves the previous plan as it was.
    progress_fn: Optional[Callable[[int, int], object]] = None
    #: Most steps of a search in each layer.
    search_steps: Optional[int] = None
    #: What becomes of several samples; default: search keeps them apart, the others add them up.
    samples: Union[Samples, str, None] = None
    #: Two replicas of an expert on one gpu; default: search avoids them.
    duplicates: Union[Duplicates, str, None] = None
    objective: Union[Objective, str, None] = None
    #: A CUDA tensor for a planner to work in, such as ``torch.empty(n, dtype=torch.uint8, device="cuda")``;
    #: None: the planner allocates.
    workspace: Any = None


class Settled:
    """The struct of the C interface for options, with what it points to."""

    def __init__(self, options: Optional[Options]):
        self.struct = raw.new(raw.eplb_options)
        self.workspace: Any = None
        self._raised: Optional[BaseException] = None
        for field in fields(Options):
            given = getattr(options, field.name) if options is not None else None
            if given is not None:
                self._set(field.name, given)

    def _set(self, name: str, given: Any) -> None:
        if name in ENUM_OF_OPTION:
            setattr(self.struct, name, member(ENUM_OF_OPTION[name], given, name))
        elif name == "amplitude":
            self.struct.amplitude = real(given, name)
        elif name == "log_fn":
            self.struct.log_fn = raw.eplb_log_fn(
                lambda user, level, text: given(known(LogLevel, level), text.decode(errors="replace"))
            )
        elif name == "progress_fn":
            self.struct.progress_fn = raw.eplb_progress_fn(lambda user, done, total: self._report(given, done, total))
        elif name == "workspace":
            self._set_workspace(given)
        else:
            setattr(self.struct, name, integer(given, name))

    def _report(self, progress: Callable[[int, int], object], done: int, total: int) -> int:
        try:
            return 1 if progress(done, total) else 0
        except BaseException as error:  # also KeyboardInterrupt: none may cross the C interface
            self._raised = error
            return 1

    def _set_workspace(self, given: Any) -> None:
        if not hasattr(given, "data_ptr") or given.device.type != "cuda" or not given.is_contiguous():
            raise TypeError("workspace must be a contiguous CUDA tensor")
        self.workspace = given
        self.struct.workspace = given.data_ptr()
        self.struct.workspace_bytes = given.numel() * given.element_size()

    def raise_pending(self) -> None:
        """Raises what the progress callback raised, if it did."""
        if self._raised is not None:
            error, self._raised = self._raised, None
            raise error
