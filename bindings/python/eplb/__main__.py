# SPDX-License-Identifier: MIT
"""``python -m eplb convert IN OUT.npy``: loads out of files that only Python can read, for the tool ``eplb``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from typing import Any


class Failure(Exception):
    """What is wrong with a file, or missing to read it."""


def require(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Failure(f"Python's module {module.split('.')[0]} is needed to read it, but not there: {error}") from error


def read_torch(path: str) -> Any:
    """A tensor, or a dictionary of them such as SGLang's recorder leaves."""
    contents = require("torch").load(path, map_location="cpu", weights_only=True)
    return {"": contents} if not isinstance(contents, dict) else contents


def read_npz(path: str) -> Any:
    with require("numpy").load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def read_safetensors(path: str) -> Any:
    try:
        load_file = require("safetensors.torch").load_file  # knows more types than that of numpy
    except Failure:
        load_file = require("safetensors.numpy").load_file
    return load_file(path)


READERS = {".pt": read_torch, ".pth": read_torch, ".npz": read_npz, ".safetensors": read_safetensors}


def find_array(contents: dict[str, Any]) -> Any:
    """The loads among what a file has: ``logical_count``, or its only array."""
    arrays = {name: value for name, value in contents.items() if hasattr(value, "shape") and len(value.shape) > 0}
    if "logical_count" in arrays:
        return arrays["logical_count"]
    if len(arrays) != 1:
        raise Failure(f"has neither an array 'logical_count' nor a single one; it has: {', '.join(arrays) or 'none'}")
    return next(iter(arrays.values()))


def as_numpy(array: Any) -> Any:
    numpy = require("numpy")
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.float().numpy() if str(array.dtype) == "torch.bfloat16" else array.numpy()
    array = numpy.asarray(array)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise Failure(f"holds values of type {array.dtype}, not booleans, integers or floats of at most 64 bits")
    return array


def arrange(array: Any, axes: str) -> Any:
    """Puts samples before layers before experts; without samples ``axes`` begins with s all the same."""
    if array.ndim not in (2, 3):
        raise Failure(f"has {array.ndim} dimensions, not [layers][experts] or [samples][layers][experts]")
    if array.ndim == 2 and axes[0] != "s":
        raise Failure(f"has 2 dimensions, so of the axes the first must be s, not {axes[0]}")
    letters = axes[-array.ndim :]
    return array.transpose([letters.index(letter) for letter in "sle"[-array.ndim :]])


def write(array: Any, path: str) -> None:
    """Writes an .npy file that is complete or absent; a symbolic link stays one."""
    numpy = require("numpy")
    target = os.path.realpath(path)
    file, temporary = tempfile.mkstemp(prefix=f"{os.path.basename(target)}.", dir=os.path.dirname(target))
    try:
        mask = os.umask(0)
        os.umask(mask)
        os.fchmod(file, 0o666 & ~mask)
        with os.fdopen(file, "wb") as stream:
            numpy.save(stream, numpy.ascontiguousarray(array))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def convert(source: str, target: str, axes: str) -> None:
    reader = READERS.get(os.path.splitext(source)[1])
    if reader is None:
        raise Failure(f"its name ends in none of {', '.join(READERS)}")
    if os.path.exists(target) and os.path.samefile(source, target):
        raise Failure(f"'{target}' is the same file, and its loads would be lost")
    try:
        contents = reader(source)
    except (Failure, OSError):
        raise
    except Exception as error:  # whatever a module makes of a file that is none
        raise Failure(f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from error
    write(arrange(as_numpy(find_array(contents)), axes), target)


def permutation(text: str) -> str:
    axes = text.split(",")
    if sorted(axes) != ["e", "l", "s"]:
        raise argparse.ArgumentTypeError(f"'{text}' is no permutation of s,l,e")
    return "".join(axes)


def npy_name(text: str) -> str:
    if not text.endswith(".npy"):
        raise argparse.ArgumentTypeError(f"'{text}' is no name for an .npy file")
    return text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m eplb", description="Helps the tool eplb.")
    command = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "convert",
        help="make an .npy file of loads",
        description=f"Makes an .npy file of loads in {', '.join(READERS)}.",
    )
    command.add_argument("source", metavar="IN", help="an array of loads, alone or as 'logical_count'")
    command.add_argument("target", metavar="OUT.npy", type=npy_name)
    command.add_argument(
        "--axes",
        metavar="A,A,A",
        type=permutation,
        default="s,l,e",
        help="what the axes of the array are, the outermost first: s samples, l layers, e experts; default s,l,e",
    )
    given = parser.parse_args(arguments)
    try:
        convert(given.source, given.target, given.axes)
    except (Failure, OSError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        name = (isinstance(error, OSError) and error.filename) or given.source
        print(f"eplb: {name}: {what}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
