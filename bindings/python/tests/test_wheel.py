# SPDX-License-Identifier: MIT
"""A wheel, built without a network, has the library in it and plans from there."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import pytest
from conftest import PACKAGE, library_dir, run_python

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("pip", "setuptools", "wheel"))), reason="no pip, setuptools or wheel"
)

PLAN = """
import os, eplb
print(eplb.plan([[4.0, 3.0, 2.0, 1.0]], eplb.Shape(1, 4, 4, 2)).physical_to_logical)
print(eplb.load()._name)
"""


def build(folder, **environment):
    source = folder / "source"
    shutil.copytree(PACKAGE, source)
    return subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-build-isolation", "--no-deps"]
        + ["--no-index", "--no-cache-dir", "--wheel-dir", str(folder), str(source)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        check=False,
    )


def test_wheel(tmp_path):
    built = build(tmp_path, EPLB_LIB_DIR=str(library_dir()))
    assert built.returncode == 0, built.stdout
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("eplb-") and "-py3-none-linux_" in wheel.name
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    assert {"py.typed", "libeplb.so.0"} < set(os.listdir(unpacked / "eplb"))
    assert not (unpacked / "tests").exists()
    result = run_python(PLAN, PYTHONPATH=str(unpacked), EPLB_LIBRARY=None, LD_LIBRARY_PATH=None)
    assert result.returncode == 0, result.stdout
    plan, path = result.stdout.splitlines()
    assert (plan, path) == ("[[0, 3, 1, 2]]", str(unpacked / "eplb/libeplb.so.0"))


def test_no_library_to_put_into_it(tmp_path):
    built = build(tmp_path, EPLB_LIB_DIR=str(tmp_path))
    assert built.returncode != 0
    assert "there is no libeplb.so.0 in" in built.stdout
