# SPDX-License-Identifier: MIT
"""What the tests share. The package is that of the source tree; the library is found as a user's program finds it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
SOURCE = Path(os.environ.get("EPLB_SOURCE") or PACKAGE.parents[1])
sys.path.insert(0, str(PACKAGE))

import eplb  # noqa: E402


@pytest.fixture(scope="session")
def layout():
    """The header as numbers."""
    return json.loads((SOURCE / "tests/abi/layout.json").read_text())


@pytest.fixture
def shape():
    return eplb.Shape(num_layers=3, num_logical_experts=8, num_physical_experts=12, num_gpus=4)


@pytest.fixture
def loads(shape):
    """Nested lists of whole numbers."""
    return [
        [float((layer * 7 + expert * 13) % 17 * 10 + expert) for expert in range(shape.num_logical_experts)]
        for layer in range(shape.num_layers)
    ]


def run_python(program, *arguments, **environment):
    """Another interpreter with the package and the library; None takes a variable away."""
    settings = {**os.environ, "PYTHONPATH": str(PACKAGE), **environment}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=Path(__file__).parent,  # where there is no package to import by chance
        env={name: value for name, value in settings.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        check=False,
    )


def library_dir():
    """Where the library is installed that the tests run with."""
    path = eplb.load()._name
    if os.path.dirname(path):
        return Path(path).resolve().parent
    with open("/proc/self/maps", encoding="ascii") as maps:
        return next(Path(line.split()[-1]).parent for line in maps if "libeplb.so" in line)
