# SPDX-License-Identifier: MIT
"""``python -m eplb convert IN OUT.npy``: loads out of files that only Python can read, for the tool ``eplb``."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
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
    return require("torch").load(path, map_location="cpu", weights_only=True)


def read_npz(path: str) -> Any:
    with require("numpy").load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def read_safetensors(path: str) -> Any:
    try:
        load_file = require("safetensors.torch").load_file  # knows more types than that of numpy
    except Failure:
        load_file = require("safetensors.numpy").load_file
    return load_file(path)


PHYSICAL_COUNTS = ("physical_count", "global_physical_count")
READERS = {".pt": read_torch, ".pth": read_torch, ".npz": read_npz, ".safetensors": read_safetensors}


def arrays_in(contents: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The arrays at any depth, each below its path, such as ``records[0].logical_count``."""
    if hasattr(contents, "shape"):
        if len(contents.shape) > 0:
            yield path, contents
    elif isinstance(contents, dict):
        for name, value in contents.items():
            yield from arrays_in(value, f"{path}.{name}" if path else str(name))
    elif isinstance(contents, (list, tuple)):
        for index, value in enumerate(contents):
            yield from arrays_in(value, f"{path}[{index}]")


def name_of(path: str) -> str:
    """What an array is called, wherever it is: all but the index of a list it is in."""
    return re.sub(r"\[\d+\]$", "", path.rpartition(".")[2])


def listed(paths: Any) -> str:
    names = sorted({re.sub(r"\[\d+\]", "[]", path) for path in paths})
    return ", ".join(names) or "none"


def find_array(contents: Any, wanted: str | None) -> Any:
    """The array of that name, of a list of records a sample in each; else ``logical_count``, else the only array that
    may be loads."""
    arrays = dict(arrays_in(contents))
    named = {path: array for path, array in arrays.items() if name_of(path) == (wanted or "logical_count")}
    if named:
        return joined(named)
    if wanted:
        raise Failure(f"has no array '{wanted}'; it has: {listed(arrays)}")
    of_slots = [path for path in arrays if name_of(path) in PHYSICAL_COUNTS]
    if of_slots:
        name = name_of(of_slots[0])
        raise Failure(
            f"has no array 'logical_count', but {listed(of_slots)}, counts of slots: convert with --array {name}, and "
            "give the placement that was counted to eplb with --counts-of"
        )
    others = {path: array for path, array in arrays.items() if not is_map(name_of(path))}
    if len(others) != 1:
        raise Failure(
            f"has neither an array 'logical_count' nor a single one that could be loads; it has: {listed(arrays)}; "
            "--array names the one to take"
        )
    return next(iter(others.values()))


def is_map(name: str) -> bool:
    """Whether it is called as placements are."""
    return name.endswith("_map") or "physical_to_logical" in name or "logical_to_physical" in name


def joined(named: dict[str, Any]) -> Any:
    """The array, or of several records a sample from each."""
    if len(named) == 1:
        return next(iter(named.values()))
    arrays = [as_numpy(array) for array in named.values()]
    if len({re.sub(r"\[\d+\]", "[]", path) for path in named}) > 1:
        raise Failure(f"has several arrays of that name: {', '.join(named)}")
    for path, array in zip(named, arrays):
        if array.shape != arrays[0].shape:
            raise Failure(f"{path} has the shape {array.shape}, but the first {arrays[0].shape}")
    return require("numpy").stack(arrays)


def as_numpy(array: Any) -> Any:
    numpy = require("numpy")
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        if str(array.layout) != "torch.strided":
            array = array.to_dense()
        try:
            array = array.float().numpy() if str(array.dtype) == "torch.bfloat16" else array.numpy()
        except (TypeError, RuntimeError) as error:
            raise Failure(f"holds a tensor of {array.dtype} that numpy cannot take: {error}") from error
    array = numpy.asarray(array)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise Failure(f"holds values of type {array.dtype}, not booleans, integers or floats of at most 64 bits")
    return array


def arrange(array: Any, axes: str) -> Any:
    """Puts samples before layers before experts; without samples ``axes`` begins with s all the same."""
    if array.ndim not in (2, 3):
        raise Failure(f"has {array.ndim} dimension{'' if array.ndim == 1 else 's'}, not [layers][experts] or [samples][layers][experts]")
    if array.ndim == 2 and axes[0] != "s":
        raise Failure(f"has 2 dimensions, so of the axes the first must be s, not {axes[0]}")
    letters = axes[-array.ndim :]
    return array.transpose([letters.index(letter) for letter in "sle"[-array.ndim :]])


def write(array: Any, path: str) -> None:
    """Writes an .npy file that is complete or absent; a symbolic link stays one."""
    numpy = require("numpy")
    target = os.path.realpath(path)
    if os.path.islink(target):  # of which nothing is the end
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
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


def convert(source: str, target: str, name: str | None, axes: str) -> None:
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
    write(arrange(as_numpy(find_array(contents, name)), axes), target)


def permutation(text: str) -> str:
    axes = text.split(",")
    if sorted(axes) != ["e", "l", "s"]:
        raise argparse.ArgumentTypeError(f"'{text}' is no permutation of s,l,e; without samples s comes first")
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
    command.add_argument("source", metavar="IN", help="an array of loads, alone or, at any depth, as 'logical_count'")
    command.add_argument("target", metavar="OUT.npy", type=npy_name)
    command.add_argument(
        "--array", metavar="NAME", help="the array to take; of a list of records, a sample from each"
    )
    command.add_argument(
        "--axes",
        metavar="A,A,A",
        type=permutation,
        default="s,l,e",
        help="what the axes of the array are, the outermost first: s samples, l layers, e experts; default s,l,e",
    )
    given = parser.parse_args(arguments)
    try:
        convert(given.source, given.target, given.array, given.axes)
    except (Failure, OSError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        name = (isinstance(error, OSError) and error.filename) or given.source
        print(f"eplb: {name}: {what}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
