# SPDX-License-Identifier: MIT
"""Contexts of the library."""

from __future__ import annotations

import ctypes
import threading
import weakref
from types import TracebackType
from typing import Any, Optional, Type

from . import _arrays, raw
from ._arrays import Kind, Views
from ._data import Maps, Plan, Stats, StatsBuffers, fill_current, fill_loads, fill_maps, fill_seed, new_maps
from ._enums import Backend, ElementType, Policy, Strategy
from ._errors import Error, InvalidStateError
from ._settings import Options, Settled, Shape
from ._values import known, member


class _Hold:
    """A call's hold on its planner: one at a time, also from a callback. The library would refuse a second one too, but
    the structs that a planner reuses must not be filled by two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_closed = False

    def __enter__(self) -> None:
        if not self._lock.acquire(False):
            raise InvalidStateError("the planner is in use by another call")
        if self.is_closed:
            self._lock.release()
            raise InvalidStateError("the planner is closed")

    def __exit__(self, *exception: object) -> None:
        self._lock.release()


class Planner:
    """Plans one shape again and again. All memory that planning needs is allocated when it is made.

    It serves one call at a time; another thread that comes meanwhile gets InvalidStateError. Close it, or use it in a
    with statement; otherwise it is freed when it is collected.

    Loads are [L][E] or [S][L][E] numpy arrays, torch tensors, nested lists, or any contiguous buffer of float32,
    float64, int32 or int64; the maps come back as the same kind of array. Arrays are neither copied nor kept, but for
    nested lists, which are copied.
    """

    def __init__(self, shape: Shape, options: Optional[Options] = None):
        library = raw.load()
        self._library = library
        self._hold = _Hold()
        self._shape = shape
        self._settled = Settled(options)
        self._error = Error(self._settled.raise_pending)
        self._memory: int = self._settled.struct.memory
        self._kind = Kind()
        self._input = raw.new(raw.eplb_input)
        self._maps = raw.new(raw.eplb_maps)
        self._input_pointer = ctypes.byref(self._input)
        self._maps_pointer = ctypes.byref(self._maps)

        c_shape = shape.to_c()
        context = ctypes.POINTER(raw.eplb_context)()
        self._error.check(
            library.eplb_create(
                ctypes.byref(c_shape), ctypes.byref(self._settled.struct), ctypes.byref(context), self._error.pointer
            )
        )
        self._context = context
        self._finalizer = weakref.finalize(self, library.eplb_destroy, context)
        self._finalizer.atexit = False  # a thread that is still planning at exit must not lose its context
        self._strategy = known(Strategy, library.eplb_context_strategy(context))
        self._policy = known(Policy, library.eplb_context_policy(context))
        self._backend = known(Backend, library.eplb_context_backend(context))

    @property
    def shape(self) -> Shape:
        """What it plans for."""
        return self._shape

    @property
    def strategy(self) -> int:
        """The strategy that plans, a Strategy: what auto became."""
        return self._strategy

    @property
    def policy(self) -> int:
        """Hierarchical or global, a Policy: what auto became."""
        return self._policy

    @property
    def backend(self) -> int:
        """The backend that plans, a Backend: what auto became."""
        return self._backend

    def plan(
        self,
        loads: Any,
        *,
        current: Any = None,
        max_changes: Optional[int] = None,
        max_changes_per_layer: Optional[int] = None,
        seed: int = 0,
    ) -> Plan:
        """Plans, and returns all maps in new arrays.

        With ``current``, [L][P] the expert in each slot now and -1 for none, a search starts from there and moves what
        pays, at most ``max_changes`` slots over all layers and ``max_changes_per_layer`` in each.

        With loads in CUDA memory the plan is enqueued on torch's current stream, and ``poll()`` says when it is there,
        or what was wrong with the loads; it has no stats.
        """
        settings = dict(
            current=current, max_changes=max_changes, max_changes_per_layer=max_changes_per_layer, seed=seed
        )
        if self._memory == _arrays.CUDA:
            self.submit_async(loads, **settings)
            return Plan(**vars(self.get_maps_async()))
        self.submit(loads, **settings)
        return Plan(**vars(self.get_maps()), stats=self.get_stats())

    def submit(
        self,
        loads: Any,
        *,
        current: Any = None,
        max_changes: Optional[int] = None,
        max_changes_per_layer: Optional[int] = None,
        seed: int = 0,
    ) -> None:
        """Plans and keeps the plan, which is complete when the call returns. A call that fails leaves the plan before
        it readable."""
        with self._hold, Views() as views:
            self._fill_input(views, loads, current, max_changes, max_changes_per_layer, seed)
            self._error.check(
                self._library.eplb_submit_weights(self._context, self._input_pointer, self._error.pointer)
            )

    def get_maps(self, out: Optional[Maps] = None, *, dtype: str = "int64") -> Maps:
        """Writes the plan into the arrays of ``out``, or into new ones of ``dtype``, int32 or int64."""
        with self._hold, Views() as views:
            if out is None:
                made = new_maps(self._kind, self._shape, self._max_replica_count(), member(ElementType, dtype, "dtype"))
                self._get_maps(views, made)
                return Maps(**{name: self._kind.finish(array) for name, array in vars(made).items()})
            self._get_maps(views, out)
            return out

    def get_stats(self) -> Stats:
        """Judges the plan under the loads it was made for."""
        with self._hold, Views() as views:
            buffers = StatsBuffers(self._kind, self._shape)
            buffers.fill(views)
            self._error.check(
                self._library.eplb_get_stats(self._context, ctypes.byref(buffers.struct), self._error.pointer)
            )
            return buffers.result()

    def max_replica_count(self) -> int:
        """The largest number of slots of one expert in the plan: the least last extent of logical_to_physical."""
        with self._hold:
            return self._max_replica_count()

    def submit_async(
        self,
        loads: Any,
        *,
        current: Any = None,
        max_changes: Optional[int] = None,
        max_changes_per_layer: Optional[int] = None,
        seed: int = 0,
        stream: Any = None,
    ) -> None:
        """``submit()`` on a CUDA stream, for a planner with ``Options(memory="cuda")``. The arrays must stay until the
        stream has passed the work.

        ``stream`` is a ``torch.cuda.Stream``, or the address of a cudaStream_t; None is torch's current one on the
        device of the loads.
        """
        with self._hold, Views() as views:
            self._fill_input(views, loads, current, max_changes, max_changes_per_layer, seed)
            self._error.check(
                self._library.eplb_submit_weights_async(
                    self._context, self._input_pointer, _address_of(stream, loads), self._error.pointer
                )
            )

    def get_maps_async(self, out: Optional[Maps] = None, *, dtype: str = "int64", stream: Any = None) -> Maps:
        """``get_maps()`` on a CUDA stream. New arrays have room in logical_to_physical for any plan, P - E + 1 slots
        for each expert; give ``out`` where that is too much."""
        with self._hold, Views() as views:
            if out is None:
                most = self._shape.num_physical_experts - self._shape.num_logical_experts + 1
                out = new_maps(self._kind, self._shape, most, member(ElementType, dtype, "dtype"))
            fill_maps(self._maps, views, self._shape, out, writable=True, memory=self._memory)
            one = next((array for array in vars(out).values() if array is not None), None)
            self._error.check(
                self._library.eplb_get_maps_async(
                    self._context, self._maps_pointer, _address_of(stream, one), self._error.pointer
                )
            )
            return out

    def poll(self) -> bool:
        """Whether the work of the last ``submit_async()`` and the calls after it is done; raises what went wrong.
        Neither waits nor makes a CUDA call."""
        with self._hold:
            status = self._library.eplb_poll(self._context, self._error.pointer)
            if status == raw.EPLB_NOT_READY:
                return False
            self._error.check(status)
            return True

    def close(self) -> None:
        """Frees the context, after work it has on a stream. A second time does nothing."""
        if not self._hold.is_closed:
            with self._hold:
                self._hold.is_closed = True
                self._finalizer()

    def __enter__(self) -> Planner:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def _fill_input(
        self,
        views: Views,
        loads: Any,
        current: Any,
        max_changes: Optional[int],
        max_changes_per_layer: Optional[int],
        seed: int,
    ) -> None:
        shape = self._shape
        array = _arrays.unnest(loads, "loads", _arrays.FLOAT64)
        fill_loads(self._input, views, array, shape.num_layers, shape.num_logical_experts, self._memory)
        fill_current(self._input, views, shape, current, max_changes, max_changes_per_layer, self._memory)
        fill_seed(self._input, seed)
        self._kind = _arrays.kind_of(loads)

    def _max_replica_count(self) -> int:
        count = ctypes.c_int32()
        self._error.check(
            self._library.eplb_get_max_replica_count(self._context, ctypes.byref(count), self._error.pointer)
        )
        return count.value

    def _get_maps(self, views: Views, out: Maps) -> None:
        fill_maps(self._maps, views, self._shape, out, writable=True, memory=self._memory)
        self._error.check(self._library.eplb_get_maps(self._context, self._maps_pointer, self._error.pointer))


def _address_of(stream: Any, given: Any) -> int:
    if stream is None:
        return _arrays.current_stream(given)
    return int(getattr(stream, "cuda_stream", stream))
