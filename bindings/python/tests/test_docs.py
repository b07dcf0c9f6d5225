# SPDX-License-Identifier: MIT
"""The code in docs/python.md, the example and the benchmark run."""

import re
import shutil
import subprocess

import pytest
from conftest import PACKAGE, SOURCE, run_python

PAGE = (SOURCE / "docs/python.md").read_text()
BLOCKS = re.findall(r"^```python([^\n]*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("info, code", BLOCKS, ids=[str(number) for number in range(len(BLOCKS))])
def test_block(info, code):
    compile(code, "docs/python.md", "exec")
    if info.strip() == "cuda":  # needs a device
        return
    for module in ("numpy", "torch"):
        if re.search(rf"\bimport {module}\b", code):
            pytest.importorskip(module)
    result = run_python(code)
    assert result.returncode == 0, result.stdout


def test_example():
    result = run_python((PACKAGE / "examples/plan.py").read_text())
    assert result.returncode == 0, result.stdout
    before, after = re.search(r"mean of layers +([\d.]+) +([\d.]+)", result.stdout).groups()
    assert float(before) < 0.7 and float(after) > 0.99


def test_benchmark_runs():
    pytest.importorskip("numpy")
    if shutil.which("cc") is None or shutil.which("pkg-config") is None:
        pytest.skip("no C compiler or no pkg-config")
    if subprocess.run(["pkg-config", "--exists", "eplb"], check=False).returncode != 0:
        pytest.skip("pkg-config does not know eplb")
    program = "import runpy, sys; sys.argv[1:] = ['0']; runpy.run_path({!r}, run_name='__main__')"
    result = run_python(program.format(str(PACKAGE / "bench/bench.py")))
    assert result.returncode == 0, result.stdout
    assert len(result.stdout.splitlines()) == 3


def test_planners_are_compared(tmp_path):
    """One that is ours, and one that numbers the gpus the other way round."""
    pytest.importorskip("torch")
    (tmp_path / "beside.py").write_text("from eplb import rebalance_experts\n")
    (tmp_path / "planner.py").write_text(
        "from .beside import rebalance_experts\n"
        "class Policy:\n"
        "    def backwards(*arguments):\n"
        "        return rebalance_experts(*arguments)[0].flip(1)\n"
    )
    program = "import runpy, sys; sys.argv[1:] = [{!r}, {!r}]; runpy.run_path({!r}, run_name='__main__')"
    planners = [f"{tmp_path}/planner.py:{name}" for name in ("rebalance_experts", "Policy.backwards")]
    result = run_python(program.format(*planners, str(PACKAGE / "bench/originals.py")))
    assert result.returncode == 0, result.stdout
    rows = re.findall(r" ([\d.]+)% +(0\.\d+) +(0\.\d+)", result.stdout)
    assert [others for others, _, _ in rows] == ["0.0"] * 8 + ["100.0"] * 8
    assert all(theirs == ours for _, theirs, ours in rows)
