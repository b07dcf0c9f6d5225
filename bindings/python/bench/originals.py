# SPDX-License-Identifier: MIT
"""How many layers get another placement than from the planners that this package takes the place of, and how the
balancedness of both differs. Needs numpy and torch.

    python3 bench/originals.py EPLB/eplb.py:rebalance_experts \\
        vllm/vllm/distributed/eplb/policy/default.py:DefaultEplbPolicy.rebalance_experts
"""

import importlib
import sys
from operator import attrgetter
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy
import torch

import eplb

LAYERS, EXPERTS, SLOTS, GPUS, ROUNDS = 58, 256, 288, 32, 3


def load_planner(text):
    """A function of a file. What the file imports from beside it is found; its package is left alone, which may want
    the whole engine."""
    path, _, name = text.partition(":")
    package = ModuleType("original")
    package.__path__ = [str(Path(path).parent)]
    for known in [known for known in sys.modules if known.partition(".")[0] == "original"]:
        del sys.modules[known]
    sys.modules["original"] = package
    return attrgetter(name)(importlib.import_module("original." + Path(path).stem))


def make_loads(tokens, draw):
    """Lognormal, as recorded ones are: whole numbers with this median; None: not whole."""
    loads = draw.lognormal(0, 0.65, (LAYERS, EXPERTS))
    return torch.tensor(loads if tokens is None else numpy.rint(loads * tokens), dtype=torch.float32)


def compare(planner, groups, nodes, tokens):
    """The share of layers with another placement, and the balancedness of the planner's and of ours."""
    shape = eplb.Shape(LAYERS, EXPERTS, SLOTS, GPUS, groups, nodes)
    draw = numpy.random.default_rng(1)
    others, balancedness = 0, numpy.zeros(2)
    for _ in range(ROUNDS):
        loads = make_loads(tokens, draw)
        planned = planner(loads, SLOTS, groups, nodes, GPUS)
        theirs = (planned[0] if isinstance(planned, tuple) else planned).contiguous()
        ours, _, _ = eplb.rebalance_experts(loads, SLOTS, groups, nodes, GPUS)
        others += (theirs != ours).any(1).sum().item()
        balancedness += [eplb.score(shape, loads, one).balancedness for one in (theirs, ours)]
    return (others / LAYERS / ROUNDS, *balancedness / ROUNDS)


def main():
    print(f"torch {torch.__version__}, numpy {numpy.__version__}; {ROUNDS} x {LAYERS}x{EXPERTS}-{SLOTS}/{GPUS}")
    for text in sys.argv[1:]:
        planner = load_planner(text)
        print(f"\n{text}\nnodes      tokens  other placement  its balancedness     ours")
        for groups, nodes in ((1, 1), (8, 4)):
            for tokens in (10, 1000, 100000, None):
                others, theirs, ours = compare(planner, groups, nodes, tokens)
                print(f"{nodes:5} {tokens or 'not whole':>11} {others:16.1%} {theirs:17.5f} {ours:8.5f}")


if __name__ == "__main__":
    main()
