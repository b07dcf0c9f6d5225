# SPDX-License-Identifier: MIT
"""Every plan that a binding must reproduce, from tests/conformance/golden_plans.json."""

import array
import json

import pytest
from conftest import SOURCE

import eplb

CASES = json.loads((SOURCE / "tests/conformance/golden_plans.json").read_text())["cases"]


def buffer(rows, typecode):
    flat = array.array(typecode, [value for row in rows for value in row])
    return memoryview(flat).cast("B").cast(typecode, [len(rows), len(rows[0])])


def pack(problem, loads, options, dtype):
    index, rank = eplb.balanced_packing(loads, problem["packs"], options, dtype=dtype)
    return {"pack_index": index, "rank_in_pack": rank}


def rebalance(problem, loads, options, dtype):
    layers, experts = loads.shape
    shape = eplb.Shape(
        layers, experts, problem["slots"], problem["gpus"], num_groups=problem["groups"], num_nodes=problem["nodes"]
    )
    with eplb.Planner(shape, options) as planner:
        planner.submit(loads)
        maps = planner.get_maps(dtype=dtype)
        eplb.check(shape, maps)
        return vars(maps)


@pytest.mark.parametrize("problem", CASES, ids=lambda problem: problem["name"])
def test_plan(problem):
    solve = {"pack": pack, "rebalance": rebalance}[problem["kind"]]
    for strategy, want in problem["want"].items():
        for threads in (1, 2):
            options = eplb.Options(strategy=strategy, backend="cpu", num_threads=threads)
            for typecode in "fq":
                for dtype in ("int32", "int64"):
                    got = solve(problem, buffer(problem["loads"], typecode), options, dtype)
                    for name, rows in want.items():
                        assert got[name].tolist() == rows, (strategy, threads, typecode, dtype, name)
