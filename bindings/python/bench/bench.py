# SPDX-License-Identifier: MIT
"""What a plan through Python takes more than through C: a submit and a get on one planner, into the same arrays.

    python3 bench/bench.py [FACTOR]

Needs a C compiler, pkg-config that knows eplb, numpy, and torch if it is to be measured. FACTOR scales the calls; the
least time of several repeats is printed, in microseconds.
"""

import array
import os
import random
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy

import eplb

try:
    import torch
except ImportError:
    torch = None

REPEATS = 5
ROUNDS = 4  # by turns, so that what else the machine does meets all alike


def through_c(program, shape, loads, calls):
    extents = (shape.num_layers, shape.num_logical_experts, shape.num_physical_experts, shape.num_gpus)
    command = [program, *map(str, (*extents, calls, REPEATS))]
    done = subprocess.run(command, input=loads, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def through_python(shape, loads, convert, calls):
    layers, experts, slots = shape.num_layers, shape.num_logical_experts, shape.num_physical_experts
    given = convert(numpy.frombuffer(bytearray(loads), "f4").reshape(layers, experts))
    out = eplb.Maps(
        convert(numpy.empty((layers, slots), "i8")),
        convert(numpy.empty((layers, slots), "i8")),
        convert(numpy.empty((layers, experts), "i8")),
    )
    with eplb.Planner(shape, eplb.Options(strategy="lpt")) as planner:

        def plan():
            planner.submit(given)
            planner.get_maps(out)

        return min(timeit.repeat(plan, number=calls, repeat=REPEATS)) / calls * 1e6


def main():
    factor = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "eplb"], universal_newlines=True).split()
    kinds = {"numpy": lambda array_: array_}
    if torch is not None:
        kinds["torch"] = torch.from_numpy
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "loop")
        source = str(Path(__file__).with_name("loop.c"))
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, source, *flags], check=True)
        print(f"{'layers x experts, slots, gpus':32}{'C':>10}" + "".join(f"{name:>10}{'more':>8}" for name in kinds))
        for shape, calls in ((eplb.Shape(58, 256, 288, 32), 100), (eplb.Shape(1, 8, 8, 2), 5000)):
            calls = max(1, int(calls * factor))
            tokens = random.Random(1)
            count = shape.num_layers * shape.num_logical_experts
            loads = array.array("f", [tokens.lognormvariate(6, 0.65) for _ in range(count)]).tobytes()
            floor = float("inf")
            times = {name: [] for name in kinds}
            for _ in range(ROUNDS):
                floor = min(floor, through_c(program, shape, loads, calls))
                for name, convert in kinds.items():
                    times[name].append(through_python(shape, loads, convert, calls))
            extents = f"{shape.num_layers} x {shape.num_logical_experts}"
            line = f"{f'{extents}, {shape.num_physical_experts}, {shape.num_gpus}':32}{floor:10.1f}"
            for measured in times.values():
                line += f"{min(measured):10.1f}{min(measured) - floor:8.1f}"
            print(line)


if __name__ == "__main__":
    main()
