# SPDX-License-Identifier: MIT
"""Exceptions: one class for each status that a caller may want to tell apart."""

from __future__ import annotations

import ctypes
from typing import Callable, Dict, Optional, Type

from . import raw
from ._enums import Status
from ._values import known


class EplbError(Exception):
    """The library refused or failed. ``status`` says how; the text says what was wrong and where."""

    status: int = Status.INTERNAL


class InvalidArgumentError(EplbError, ValueError):
    """An impossible shape, an unknown value, choices that do not go together."""

    status = Status.INVALID_ARGUMENT


class InvalidLoadError(EplbError, ValueError):
    """A load is NaN, infinite or negative, or a layer's total overflows float32."""

    status = Status.INVALID_LOAD


class InvalidPlacementError(EplbError, ValueError):
    """A placement leaves an expert out or contradicts itself, or needs more changes than are allowed."""

    status = Status.INVALID_PLACEMENT


class InvalidStateError(EplbError, RuntimeError):
    """No plan yet; the planner is closed, in use by another call, or was created before a fork."""

    status = Status.INVALID_STATE


class BufferTooSmallError(EplbError, ValueError):
    """An array is shorter than its shape."""

    status = Status.BUFFER_TOO_SMALL


class OutOfMemoryError(EplbError, MemoryError):
    """Memory or a thread could not be had."""

    status = Status.OUT_OF_MEMORY


class UnavailableError(EplbError, RuntimeError):
    """Not in this build of the library, or no driver or device on this machine."""

    status = Status.UNAVAILABLE


class CancelledError(EplbError, RuntimeError):
    """The progress callback asked to stop."""

    status = Status.CANCELLED


class CudaError(EplbError, RuntimeError):
    """A CUDA call failed."""

    status = Status.CUDA


_CLASSES: Dict[int, Type[EplbError]] = {one.status: one for one in EplbError.__subclasses__()}


class Error:
    """The struct that calls report into. ``raise_pending`` raises what a callback raised meanwhile, if one did."""

    def __init__(self, raise_pending: Optional[Callable[[], None]] = None) -> None:
        self._struct = raw.new(raw.eplb_error)
        self._raise_pending = raise_pending
        self.pointer = ctypes.byref(self._struct)

    def check(self, status: int) -> None:
        """Raises what a call answered, unless it succeeded."""
        if status:
            if self._raise_pending is not None:
                self._raise_pending()
            error = _CLASSES.get(status, EplbError)(self._struct.message.decode(errors="replace"))
            error.status = known(Status, status)
            raise error
