# SPDX-License-Identifier: MIT
"""Arrays of the caller: where their elements are, and how to make more of the same kind.

numpy and torch are never imported here: whoever hands in one of their arrays has imported them.
"""

from __future__ import annotations

import array
import ctypes
import sys
from itertools import chain
from typing import Any, Dict, List, Sequence, Tuple

from . import raw

FLOAT32 = raw.EPLB_TYPE_FLOAT32
FLOAT64 = raw.EPLB_TYPE_FLOAT64
INT32 = raw.EPLB_TYPE_INT32
INT64 = raw.EPLB_TYPE_INT64
HOST = raw.EPLB_MEMORY_HOST
CUDA = raw.EPLB_MEMORY_CUDA

LOAD_TYPES = (FLOAT32, FLOAT64, INT32, INT64)
INDEX_TYPES = (INT32, INT64)

TYPE_NAMES = {FLOAT32: "float32", FLOAT64: "float64", INT32: "int32", INT64: "int64"}
_TYPES_BY_NAME = {name: type_ for type_, name in TYPE_NAMES.items()}
_FORMATS = {FLOAT32: "f", FLOAT64: "d", INT32: "i", INT64: "q"}
SIZES = {FLOAT32: 4, FLOAT64: 8, INT32: 4, INT64: 8}
_NATIVE_PREFIXES = (b"", b"@", b"=", b"<" if sys.byteorder == "little" else b">")
_TYPES_BY_FORMAT = {
    (prefix + letter, SIZES[type_]): type_
    for prefix in _NATIVE_PREFIXES
    for letter, type_ in ((b"f", FLOAT32), (b"d", FLOAT64), (b"i", INT32), (b"l", INT32), (b"l", INT64), (b"q", INT64))
}
_types_by_dtype: Dict[Any, int] = {}

Shape = Tuple[int, ...]


class _Py_buffer(ctypes.Structure):
    """Of the C API of Python. It lends an array's memory and keeps the array from being resized meanwhile, also where
    the array is read-only, which ctypes' own from_buffer() cannot do."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_PyBUF_WRITABLE = 0x01
_PyBUF_FORMAT = 0x04
_PyBUF_C_CONTIGUOUS = 0x38

_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.c_void_p, ctypes.c_int)
_get_buffer.restype = ctypes.c_int
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = (ctypes.c_void_p,)
_release_buffer.restype = None


class View:
    """Where the elements of an array are."""

    __slots__ = ("address", "count", "type", "memory", "shape")

    def __init__(self, address: int, count: int, type_: int, memory: int, shape: Shape):
        self.address = address
        self.count = count
        self.type = type_
        self.memory = memory
        self.shape = shape


class Views:
    """The arrays of one call, held while it runs."""

    __slots__ = ("_buffers",)

    def __init__(self) -> None:
        self._buffers: List[_Py_buffer] = []

    def __enter__(self) -> Views:
        return self

    def __exit__(self, *exception: object) -> None:
        for buffer in self._buffers:
            _release_buffer(ctypes.addressof(buffer))

    def take(self, given: Any, name: str, types: Tuple[int, ...], writable: bool = False) -> View:
        """The elements of ``given``, the argument called ``name``, which must be of one of ``types``."""
        view = _tensor(given, name) if hasattr(given, "data_ptr") else self._buffer(given, name, writable)
        if view.type not in types:
            raise _wrong_type(name, TYPE_NAMES[view.type], types)
        if view.address % SIZES[view.type] != 0:
            raise ValueError(f"the elements of {name} are not aligned to their size")
        return view

    def _buffer(self, given: Any, name: str, writable: bool) -> View:
        buffer = _Py_buffer()
        flags = _PyBUF_C_CONTIGUOUS | _PyBUF_FORMAT | (_PyBUF_WRITABLE if writable else 0)
        try:
            _get_buffer(given, ctypes.addressof(buffer), flags)
        except TypeError:
            raise TypeError(f"{name} is a {type(given).__name__}; it must be an array, a tensor or a buffer") from None
        except (BufferError, ValueError) as error:
            raise ValueError(f"{name} cannot be used: {error}") from None
        self._buffers.append(buffer)
        itemsize = buffer.itemsize
        type_ = _TYPES_BY_FORMAT.get((buffer.format, itemsize))
        if type_ is None:
            what = getattr(given, "dtype", None) or f"of format {(buffer.format or b'B').decode()!r}"
            raise _wrong_type(name, str(what), LOAD_TYPES)
        return View(buffer.buf, buffer.len // itemsize, type_, HOST, tuple(buffer.shape[: buffer.ndim]))


def _tensor(given: Any, name: str) -> View:
    dtype = given.dtype
    type_ = _types_by_dtype.get(dtype)
    if type_ is None:
        type_ = _TYPES_BY_NAME.get(str(dtype).rpartition(".")[2])
        if type_ is None:
            raise _wrong_type(name, str(dtype), LOAD_TYPES)
        _types_by_dtype[dtype] = type_
    device = given.device.type
    if device not in ("cpu", "cuda"):
        raise ValueError(f"{name} is on device {given.device}; it must be on the cpu or on a cuda device")
    if not given.is_contiguous():
        raise ValueError(f"{name} is not contiguous; use {name}.contiguous()")
    return View(given.data_ptr(), given.numel(), type_, HOST if device == "cpu" else CUDA, tuple(given.shape))


def _wrong_type(name: str, what: str, types: Tuple[int, ...]) -> TypeError:
    return TypeError(f"the elements of {name} are {what}; they must be {' or '.join(TYPE_NAMES[one] for one in types)}")


def current_stream(given: Any) -> int:
    """torch's current stream on the device of a tensor; the default stream for anything else."""
    if not hasattr(given, "data_ptr") or given.device.type != "cuda":
        return 0
    return int(sys.modules["torch"].cuda.current_stream(given.device).cuda_stream)


class Kind:
    """Makes arrays in host memory: here memoryviews, which every library of arrays can look into."""

    def empty(self, shape: Sequence[int], type_: int) -> Any:
        """A new array, to be written by the library."""
        size = SIZES[type_]
        for extent in shape:
            size *= extent
        return memoryview(bytearray(size)).cast("B").cast(_FORMATS[type_], list(shape))

    def finish(self, written: Any) -> Any:
        """What the caller gets for an array that ``empty()`` made."""
        return written

    def on_host(self) -> Kind:
        """The same for what is always in host memory."""
        return self


class _Lists(Kind):
    def finish(self, written: Any) -> Any:
        return written.tolist()


class _Numpy(Kind):
    def empty(self, shape: Sequence[int], type_: int) -> Any:
        return sys.modules["numpy"].empty(shape, TYPE_NAMES[type_])


class _Torch(Kind):
    def __init__(self, device: Any):
        self._device = device

    def empty(self, shape: Sequence[int], type_: int) -> Any:
        torch = sys.modules["torch"]
        return torch.empty(tuple(shape), dtype=getattr(torch, TYPE_NAMES[type_]), device=self._device)

    def on_host(self) -> Kind:
        return _Torch("cpu")


_memoryviews = Kind()
_lists = _Lists()
_numpy = _Numpy()
_torch: Dict[Any, Kind] = {}


def kind_of(given: Any) -> Kind:
    """What makes arrays like ``given``."""
    if isinstance(given, (list, tuple)):
        return _lists
    if hasattr(given, "data_ptr"):
        return _torch.get(given.device) or _torch.setdefault(given.device, _Torch(given.device))
    numpy = sys.modules.get("numpy")
    return _numpy if numpy is not None and isinstance(given, numpy.ndarray) else _memoryviews


def unnest(given: Any, name: str, type_: int) -> Any:
    """Nested lists as an array of ``type_``; anything else as it is."""
    if not isinstance(given, (list, tuple)):
        return given
    shape = [len(given)]
    rows: Sequence[Any] = given
    while rows and isinstance(rows[0], (list, tuple)):
        shape.append(len(rows[0]))
        if any(not isinstance(row, (list, tuple)) or len(row) != shape[-1] for row in rows):
            raise ValueError(f"{name} has rows of different lengths")
        rows = list(chain.from_iterable(rows))
    if not rows:
        raise ValueError(f"{name} is empty")
    try:
        flat = array.array(_FORMATS[type_], rows)
    except (TypeError, OverflowError) as error:
        raise type(error)(f"{name} must hold numbers: {error}") from None
    return memoryview(flat).cast("B").cast(_FORMATS[type_], shape)
