#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws one shape's figures as an SVG, and prints the tables of docs/benchmarks.md.

    build/tests/bench/eplb_bench --benchmark_out=bench.json
    build/tests/bench/eplb_bench_stages_avx2 --benchmark_out=stages.json
    python3 tests/bench/plot.py --tables docs/benchmarks.svg bench.json stages.json

Several inputs are taken together, those of compare.py --json too."""

import argparse
import html
import json
import math
import pathlib
import re

NAME_WIDTH, TIME_WIDTH, GAP, BALANCE_WIDTH, NUMBER_WIDTH, MARGIN = 175, 400, 85, 170, 60, 20
TOP, ROW, BOTTOM = 78, 32, 46
WIDTH = 2 * MARGIN + NAME_WIDTH + TIME_WIDTH + GAP + BALANCE_WIDTH + NUMBER_WIDTH
TEXT, FAINT, GRID, ONE_THREAD, TWO_THREADS = "#1f2933", "#616e7c", "#e4e7eb", "#2f6f9f", "#9cc3de"


def read_figures(paths):
    """{shape: {planner: {threads: record}}}, and of the stages {stage: {shape: record}}."""
    figures, stages = {}, {}
    for path in paths:
        for record in json.loads(pathlib.Path(path).read_text())["benchmarks"]:
            plan = re.fullmatch(r"plan/([^/]+)/(.+)/threads:(\d+)(?:/manual_time)?", record["name"])
            stage = re.fullmatch(r"stage/(.+)/([^/]+/\d+)/iterations:.*", record["name"])
            if plan and "ms" in record:
                planner, shape, threads = plan.groups()
                figures.setdefault(shape, {}).setdefault(planner, {})[int(threads)] = record
            elif stage:
                stages.setdefault(stage.group(1), {})[stage.group(2)] = record
    return figures, stages


def markdown(rows):
    rows = [rows[0], ["---"] + ["--:"] * (len(rows[0]) - 1)] + rows[1:]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def table_of_shape(figures):
    """Planner by planner."""
    rows = [["", "ms", "p10 – p90", "µs a layer", "÷ textbook", "ms, 2 threads", "balancedness"]]
    for planner, by_threads in figures.items():
        one, two = by_threads[1], by_threads.get(2)
        rows.append([f"`{planner}`", f"{one['ms']:.3g}", f"{one['ms_p10']:.3g} – {one['ms_p90']:.3g}",
                     f"{one['us_per_layer']:.3g}", f"{one['textbook']:.2f}", f"{two['ms']:.3g}" if two else "",
                     f"{one['balancedness']:.4f}"])
    return markdown(rows)


def table_of_shapes(figures, key, digits):
    """One figure of every shape and planner, on one thread."""
    planners = list(next(iter(figures.values())))
    rows = [[""] + [f"`{planner}`" for planner in planners]]
    for shape, by_planner in figures.items():
        cells = [by_planner.get(planner, {}).get(1) for planner in planners]
        rows.append([shape] + [format(record[key], digits) if record else "" for record in cells])
    return markdown(rows)


def table_of_stages(stages):
    """Median and spread of one layer on each shape."""
    shapes = list(next(iter(stages.values())))
    rows = [["ns"] + shapes]
    for stage, by_shape in stages.items():
        rows.append([f"`{stage}`"] + [f"{by_shape[shape]['ns']:.0f} ({by_shape[shape]['ns_p10']:.0f} – "
                                      f"{by_shape[shape]['ns_p90']:.0f})" for shape in shapes])
    return markdown(rows)


class Drawing:
    def __init__(self, height):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                      f'viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" font-size="13">',
                      f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>']

    def text(self, x, y, text, anchor="start", color=TEXT, extra=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"{extra}>'
                          f'{html.escape(text)}</text>')

    def bar(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{color}"/>')

    def line(self, x, top, bottom):
        self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}" stroke="{GRID}"/>')

    def dot(self, x, y):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{ONE_THREAD}"/>')

    def finish(self):
        return "\n".join(self.parts + ["</svg>", ""])


def draw(figures, shape):
    rows = sorted(figures.items(), key=lambda row: row[1][min(row[1])]["ms"])
    records = [record for _, by_threads in rows for record in by_threads.values()]
    low = math.floor(math.log10(min(record["ms"] for record in records)))
    high = math.ceil(math.log10(max(record["ms"] for record in records)))
    worst = math.floor(min(record["balancedness"] for record in records) * 100) / 100
    worst = min(worst, 0.99)
    bottom = TOP + ROW * len(rows)
    time_x, balance_x = MARGIN + NAME_WIDTH, MARGIN + NAME_WIDTH + TIME_WIDTH + GAP

    def time_at(ms):
        return time_x + TIME_WIDTH * (math.log10(ms) - low) / (high - low)

    def balance_at(balancedness):
        return balance_x + BALANCE_WIDTH * (balancedness - worst) / (1 - worst)

    drawing = Drawing(bottom + BOTTOM)
    drawing.text(MARGIN, 28, shape, extra=' font-size="16" font-weight="bold"')
    drawing.text(time_x, 58, "time of a plan, ms (median; logarithmic)", color=FAINT)
    drawing.text(balance_x, 58, "balancedness (1 is best)", color=FAINT)
    for decade in range(low, high + 1):
        drawing.line(time_at(10**decade), TOP - 8, bottom)
        drawing.text(time_at(10**decade), bottom + 16, f"{10.0**decade:g}", "middle", FAINT)
    for tick in (worst, (worst + 1) / 2, 1):
        drawing.line(balance_at(tick), TOP - 8, bottom)
        drawing.text(balance_at(tick), bottom + 16, f"{tick:.4g}", "middle", FAINT)

    for number, (planner, by_threads) in enumerate(rows):
        y = TOP + ROW * number
        first = by_threads[min(by_threads)]
        drawing.text(time_x - 10, y + 17, planner, "end")
        drawing.bar(time_x, y + 2, time_at(first["ms"]) - time_x, 13, ONE_THREAD)
        label = f"{first['ms']:.3g}"
        if 2 in by_threads:
            drawing.bar(time_x, y + 16, time_at(by_threads[2]["ms"]) - time_x, 6, TWO_THREADS)
            label += f" · {by_threads[2]['ms']:.3g}"
        drawing.text(max(time_at(record["ms"]) for record in by_threads.values()) + 6, y + 16, label)
        drawing.dot(balance_at(first["balancedness"]), y + 12)
        drawing.text(WIDTH - MARGIN, y + 16, f"{first['balancedness']:.4f}", "end")

    legend = time_x
    for color, text in ((ONE_THREAD, "one thread"), (TWO_THREADS, "two threads, where measured")):
        drawing.bar(legend, bottom + 29, 10, 10, color)
        drawing.text(legend + 16, bottom + 38, text, color=FAINT)
        legend += 120
    return drawing.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT.svg")
    parser.add_argument("input", nargs="+", metavar="FIGURES.json")
    parser.add_argument("--shape", help="such as deepseek-v3:58x256-288/32; default: the first in the input")
    parser.add_argument("--tables", action="store_true", help="print the tables; the input is eplb_bench's only")
    arguments = parser.parse_args()
    figures, stages = read_figures(arguments.input)
    shape = arguments.shape or next(iter(figures), None)
    if shape not in figures:
        parser.error(f"no figures of {shape or 'any shape'} in the input")
    pathlib.Path(arguments.output).write_text(draw(figures[shape], shape))
    if arguments.tables:
        print(table_of_shape(figures[shape]))
        for key, digits in (("ms", ".3g"), ("textbook", ".2f"), ("balancedness", ".4f")):
            print(f"\n{key}\n\n" + table_of_shapes(figures, key, digits))
        if stages:
            print("\n" + table_of_stages(stages))


if __name__ == "__main__":
    main()
