# SPDX-License-Identifier: MIT
"""The C interface as it is: every function, struct, callback and constant of ``eplb.h`` under its own name.

The header is the manual. ``load()`` returns the library with the types of all functions set; the structs are
``ctypes.Structure`` classes, and ``new()`` makes one with its defaults. Nothing here checks what it is given.
"""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Optional, Type, TypeVar, Union

from ._header import *
from ._header import EPLB_SUCCESS, EPLB_VERSION, FUNCTIONS

#: What the package carries, and what the system is asked for. The number counts breaks of the ABI.
LIBRARY_NAME = "libeplb.so.0"

_loading = threading.Lock()
_library: Optional[ctypes.CDLL] = None


def load(path: Union[str, "os.PathLike[str]", None] = None) -> ctypes.CDLL:
    """The library, loaded by the first call: from ``path``, else from the file that the environment variable
    ``EPLB_LIBRARY`` names, else from the package (a wheel carries it), else from where the system finds libraries.

    Raises ImportError if there is none, or if it is older than this package.
    """
    global _library
    if _library is not None and path is None:
        return _library
    with _loading:
        if _library is None:
            _library = _open(_find(path))
        elif path is not None and os.path.realpath(path) != os.path.realpath(_library._name):
            raise ImportError(f"libeplb is already loaded, from {_library._name}; {os.fspath(path)} came too late")
        return _library


def _find(path: Union[str, "os.PathLike[str]", None]) -> str:
    if path is not None:
        return os.fspath(path)
    named = os.environ.get("EPLB_LIBRARY")
    if named:
        return named
    carried = os.path.join(os.path.dirname(os.path.abspath(__file__)), LIBRARY_NAME)
    return carried if os.path.exists(carried) else LIBRARY_NAME


def _open(path: str) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load libeplb: {error}. Install the library, or name its file in EPLB_LIBRARY or eplb.load()"
        ) from None
    try:
        version = library.eplb_version()
    except AttributeError:
        raise ImportError(f"{path} is not libeplb: it has no eplb_version()") from None
    if version < EPLB_VERSION:
        needed = _dotted(EPLB_VERSION)
        raise ImportError(f"{path} is libeplb {_dotted(version)}, but this package needs {needed} or later")
    for name, (result, parameters) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = parameters
    return library


def _dotted(version: int) -> str:
    return f"{version // 10000}.{version // 100 % 100}.{version % 100}"


_Struct = TypeVar("_Struct", bound=ctypes.Structure)


def new(struct: Type[_Struct]) -> _Struct:
    """A struct with its defaults, by its init function."""
    made = struct()
    status = getattr(load(), struct.__name__ + "_init")(ctypes.byref(made), ctypes.sizeof(made))
    if status != EPLB_SUCCESS:
        raise RuntimeError(f"{struct.__name__}_init() answers {status}")
    return made
