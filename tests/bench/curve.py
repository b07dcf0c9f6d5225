#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws how balance grows with time: every strategy, and search with more and more steps.

    python3 tests/bench/curve.py --tool build/src/cli/eplb docs/search.svg load1.npy load2.npy load3.npy

Left: planned for each file, under the load it was planned for. Right, with three files or more: planned for all but one
of them, under the one left out. Mean over the files; one thread. The figures go to stdout too, with the slots that a
placement has to change when the load drifts (--drift SIGMA, lognormal)."""

import argparse
import array
import ast
import html
import json
import math
import pathlib
import random
import statistics
import struct
import subprocess
import sys

STEPS = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024]
BUDGETS = [0, 4, 8, 16, 24, 32, 40, 45, 64, 96]
WIDTH, HEIGHT, MARGIN, PANEL, TOP, BOTTOM = 980, 440, 62, 400, 60, 80
TEXT, FAINT, GRID, SEARCH, OTHER = "#1f2933", "#616e7c", "#e4e7eb", "#2f6f9f", "#b7791f"


def read_loads(path):
    """The loads of a file, [layers][experts] each: one, or as many as it has samples."""
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10:10 + length].decode())
    if data[6] != 1 or header["descr"] != "<i8" or header["fortran_order"] or len(header["shape"]) not in (2, 3):
        sys.exit(f"{path}: not int64 of [layers][experts] or [samples][layers][experts]")
    layers, experts = header["shape"][-2:]
    values = array.array("q", data[10 + length:])
    rows = [list(values[i:i + experts]) for i in range(0, len(values), experts)]
    return [rows[i:i + layers] for i in range(0, len(rows), layers)]


class Bench:
    def __init__(self, tool, slots, gpus, repeat):
        self.tool, self.deployment, self.repeat = tool, ["--slots", str(slots), "--gpus", str(gpus)], repeat

    def run(self, loads, *arguments):
        """What the tool makes of loads [samples][layers][experts]."""
        done = subprocess.run([self.tool, *arguments, "-", "--format", "json"], input=json.dumps(loads),
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def plan(self, loads, strategy, *arguments):
        return self.run(loads, "plan", *self.deployment, "--threads", "1", "--repeat", str(self.repeat), "--strategy",
                        strategy, *arguments)

    def score(self, loads, plan, scratch):
        scratch.write_text(json.dumps(plan))
        return self.run(loads, "score", "--plan", str(scratch))["stats"]["balancedness"]


def strategies(tool):
    """Their names, but for auto and search."""
    text = subprocess.run([tool, "info", "--format", "json"], capture_output=True, text=True, check=True).stdout
    return [entry["name"] for entry in json.loads(text)["strategies"] if entry["name"] not in ("auto", "search")]


def measure(bench, names, cases, scratch):
    """[(label, ms, balancedness)] of `cases`: pairs of loads to plan for and loads to judge under."""
    rows = [(name, []) for name in names] + [("search", ["--steps", str(steps)]) for steps in STEPS]
    points = []
    for name, arguments in rows:
        plans = [bench.plan(loads, name, *arguments) for loads, _ in cases]
        balance = [bench.score(under, plan, scratch) for plan, (_, under) in zip(plans, cases)]
        label = " ".join([name] + arguments[1:])
        points.append((label, statistics.mean(plan["stats"]["plan_ms"] for plan in plans), statistics.mean(balance)))
        print(f"{label:24}{points[-1][1]:10.2f} ms  {points[-1][2]:.5f}", flush=True)
    return points


def measure_drift(bench, loads, sigma, scratch):
    """Balancedness after so many changes in a layer, from the plan of a load to that load with each expert's multiplied
    by exp(sigma * normal)."""
    draw = random.Random(0)
    rows = {budget: [] for budget in BUDGETS}
    for load in loads:
        drifted = [[round(x * math.exp(sigma * draw.gauss(0, 1))) for x in row] for row in load]
        scratch.write_text(json.dumps(bench.plan([load], "search")))
        for budget in BUDGETS:
            plan = bench.plan([drifted], "search", "--current", str(scratch), "--max-changes", str(budget))
            rows[budget].append(plan["stats"]["balancedness"])
    print(f"\nchanged slots a layer, balancedness (mean, worst file) after a drift of sigma {sigma}")
    for budget, values in rows.items():
        print(f"{budget:6}  {statistics.mean(values):.4f}  {min(values):.4f}")


def panel(parts, left, title, points):
    """Time to the right, logarithmic; upwards the distance from 1, logarithmic too, 1 at the top."""
    low, high = math.floor(math.log10(min(p[1] for p in points))), math.ceil(math.log10(max(p[1] for p in points)))
    gaps = [math.log10(max(1 - p[2], 1e-5)) for p in points]
    worst, best = math.ceil(max(gaps) * 2) / 2, math.floor(min(gaps) * 2) / 2

    def x(ms):
        return left + PANEL * (math.log10(ms) - low) / (high - low)

    def y(balance):
        return TOP + (HEIGHT - TOP - BOTTOM) * (math.log10(max(1 - balance, 1e-5)) - best) / (worst - best)

    def text(at_x, at_y, words, color=TEXT, anchor="start", extra=""):
        parts.append(f'<text x="{at_x:.1f}" y="{at_y:.1f}" fill="{color}" text-anchor="{anchor}"{extra}>'
                     f"{html.escape(words)}</text>")

    text(left, 30, title, extra=' font-size="15" font-weight="bold"')
    for decade in range(low, high + 1):
        parts.append(f'<line x1="{x(10**decade):.1f}" x2="{x(10**decade):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
                     f'stroke="{GRID}"/>')
        text(x(10**decade), HEIGHT - BOTTOM + 18, f"{10.0**decade:g} ms", FAINT, "middle")
    for step in range(round(best * 2), round(worst * 2) + 1):
        balance = 1 - 10**(step / 2)
        parts.append(f'<line x1="{left}" x2="{left + PANEL}" y1="{y(balance):.1f}" y2="{y(balance):.1f}" stroke="{GRID}"/>')
        text(left - 6, y(balance) + 4, f"{balance:.{max(2, math.ceil(-step / 2))}f}", FAINT, "end")
    searches = [p for p in points if p[0].startswith("search")]
    parts.append('<polyline fill="none" stroke="{}" stroke-width="2" points="{}"/>'.format(
        SEARCH, " ".join(f"{x(p[1]):.1f},{y(p[2]):.1f}" for p in searches)))
    last = -math.inf  # x of the last label, so that none lies on another
    for label, ms, balance in searches:
        parts.append(f'<circle cx="{x(ms):.1f}" cy="{y(balance):.1f}" r="4" fill="{SEARCH}"/>')
        if x(ms) - last >= 24:
            text(x(ms), y(balance) - 9, label.removeprefix("search "), SEARCH, "middle", ' font-size="10"')
            last = x(ms)
    # The others have their number in the legend; above and below in turn where they lie close to each other.
    others = [p for p in points if p not in searches]
    last, above = -math.inf, False
    for number, (_, ms, balance) in sorted(enumerate(others, 1), key=lambda entry: entry[1][1]):
        above = not above if x(ms) - last < 12 else False
        last = x(ms)
        parts.append(f'<circle cx="{x(ms):.1f}" cy="{y(balance):.1f}" r="4" fill="{OTHER}"/>')
        text(x(ms), y(balance) + (-8 if above else 16), str(number), OTHER, "middle", ' font-size="11"')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT.svg")
    parser.add_argument("input", nargs="+", metavar="LOAD.npy", help="int64 [layers][experts]; of several samples each counts as a file")
    parser.add_argument("--tool", required=True, metavar="EPLB")
    parser.add_argument("--slots", type=int, default=288)
    parser.add_argument("--gpus", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=5, help="timed runs of each plan, of which the median counts")
    parser.add_argument("--drift", type=float, metavar="SIGMA")
    arguments = parser.parse_args()

    loads = [load for path in arguments.input for load in read_loads(path)]
    bench = Bench(arguments.tool, arguments.slots, arguments.gpus, arguments.repeat)
    names, scratch = strategies(arguments.tool), pathlib.Path(arguments.output).with_suffix(".plan.json")
    try:
        cases = [([load], [load]) for load in loads]
        panels = [("planned for one load, under that load", measure(bench, names, cases, scratch))]
        if len(loads) > 2:
            cases = [(loads[:i] + loads[i + 1:], [load]) for i, load in enumerate(loads)]
            print(f"\nplanned for {len(loads) - 1} loads, under another")
            panels.append((f"planned for {len(loads) - 1} loads, under another", measure(bench, names, cases, scratch)))
        if arguments.drift:
            measure_drift(bench, loads, arguments.drift, scratch)
    finally:
        scratch.unlink(missing_ok=True)
    width = WIDTH if len(panels) > 1 else WIDTH // 2
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" '
             'font-family="Helvetica, Arial, sans-serif" font-size="12">',
             f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>']
    for number, (title, points) in enumerate(panels):
        panel(parts, MARGIN + number * (PANEL + MARGIN + 20), title, points)
    legend = [f"{number} {name}" for number, name in enumerate(names, 1)]
    captions = [f"Balancedness against time of a plan, {arguments.slots} slots on {arguments.gpus} gpus, one thread. "
                "Line: search, with its number of steps.", " · ".join(legend)]
    for line, caption in enumerate(captions):
        parts.append(f'<text x="{MARGIN}" y="{HEIGHT - 26 + 16 * line}" fill="{FAINT}">{caption}</text>')
    pathlib.Path(arguments.output).write_text("\n".join(parts + ["</svg>", ""]))


if __name__ == "__main__":
    main()
