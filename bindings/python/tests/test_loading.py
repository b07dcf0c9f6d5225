# SPDX-License-Identifier: MIT
"""Which library is loaded, and what is said when none can be."""

import shutil
import subprocess

import pytest
from conftest import PACKAGE, library_dir, run_python

WHERE = "import sys, eplb; print(eplb.load(*sys.argv[1:])._name)"


def copy_of_library(folder):
    return str(shutil.copy(library_dir() / "libeplb.so.0", folder / "library.so"))


def test_a_path_comes_before_the_environment(tmp_path):
    path = copy_of_library(tmp_path)
    assert run_python(WHERE, path, EPLB_LIBRARY="/nowhere.so").stdout.strip() == path


def test_the_environment_comes_before_the_package(tmp_path):
    path = copy_of_library(tmp_path)
    shutil.copytree(PACKAGE / "eplb", tmp_path / "eplb")
    carried = str(shutil.copy(path, tmp_path / "eplb/libeplb.so.0"))
    here = str(tmp_path)
    assert run_python(WHERE, EPLB_LIBRARY=path, PYTHONPATH=here).stdout.strip() == path
    assert run_python(WHERE, EPLB_LIBRARY=None, PYTHONPATH=here).stdout.strip() == carried


def test_the_system_comes_last():
    result = run_python(WHERE, EPLB_LIBRARY=None, LD_LIBRARY_PATH=str(library_dir()))
    assert result.stdout.strip() == "libeplb.so.0"


def test_a_path_that_comes_too_late(tmp_path):
    path = copy_of_library(tmp_path)
    assert run_python("import sys, eplb; eplb.load(sys.argv[1]); eplb.load(sys.argv[1])", path).returncode == 0
    result = run_python("import sys, eplb; eplb.version(); eplb.load(sys.argv[1])", path)
    assert "ImportError: libeplb is already loaded" in result.stdout


def test_there_is_none():
    result = run_python(WHERE, EPLB_LIBRARY="/nowhere.so")
    assert result.returncode != 0
    assert "ImportError: cannot load libeplb: /nowhere.so" in result.stdout


@pytest.mark.parametrize(
    "source, says",
    [
        ("int eplb_version(void) { return 9; }", "is libeplb 0.0.9, but this package needs 0.1.0 or later"),
        ("int another(void) { return 9; }", "is not libeplb"),
    ],
)
def test_a_library_that_will_not_do(tmp_path, source, says):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "old.c").write_text(source)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "old.so", tmp_path / "old.c"], check=True)
    result = run_python(WHERE, EPLB_LIBRARY=str(tmp_path / "old.so"))
    assert result.returncode != 0
    assert "ImportError" in result.stdout and says in result.stdout
