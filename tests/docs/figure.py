#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the figure of docs/concepts.md from a plan of the library's, or with --check compares what would be drawn.

EPLB_LIBRARY=build/src/libeplb.so PYTHONPATH=bindings/python python3 tests/docs/figure.py docs/concepts.svg
"""

import argparse
import pathlib
import sys

import eplb

LOADS = [50, 50, 160, 220, 160, 290, 70, 60]
EXPERTS, SLOTS, GPUS, NODES, GROUPS = len(LOADS), 12, 4, 2, 4
TEXT, FAINT, GRID, LINE = "#1f2933", "#616e7c", "#e4e7eb", "#9aa5b1"
COLORS = ["#bcd9ea", "#86b6d3", "#c9dfb3", "#93bd6f", "#f3d3a2", "#e0a04c", "#e3c4dc", "#bd86b0"]
NOTE = (
    "Bars: what each gpu bears. Squares: its slots, and the expert in each. Replicas of an expert share its load equally."
)
WIDTH, HEIGHT, BASE, SCALE = 960, 440, 270, 0.4
BAR, GAP, CELL = 44, 16, 22
HALO = ' stroke="#ffffff" stroke-width="4" paint-order="stroke"'


def text(x, y, words, size=13, anchor="middle", fill=TEXT, weight="normal", halo=False):
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}" fill="{fill}" font-weight="{weight}"'
        f'{HALO if halo else ""}>'
        f"{words}</text>"
    )


def box(x, y, width, height, fill, stroke="#ffffff"):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" stroke="{stroke}"/>'


def bracket(x1, x2, y, words):
    line = f'<path d="M{x1:g} {y - 5:g}V{y:g}H{x2:g}V{y - 5:g}" fill="none" stroke="{LINE}"/>'
    return line + text((x1 + x2) / 2, y + 16, words, 12, fill=FAINT)


def draw_experts(left):
    """The load of each expert, and the groups."""
    width = 30
    out = [text(left, 40, "The load of a layer", 16, "start", weight="bold")]
    out += [text(left, 60, "tokens of each of its 8 experts", anchor="start", fill=FAINT)]
    for expert, load in enumerate(LOADS):
        x = left + expert * width
        out += [box(x, BASE - load * SCALE, width - 4, load * SCALE, COLORS[expert])]
        out += [text(x + width / 2 - 2, BASE - load * SCALE - 6, load, 12, fill=FAINT)]
        out += [text(x + width / 2 - 2, BASE + 18, expert)]
    size = EXPERTS // GROUPS
    for group in range(GROUPS):
        x = left + group * size * width
        out += [bracket(x + 2, x + size * width - 6, BASE + 34, f"group {group}")]
    return out


def draw_placement(left, title, expert_of_slot, stats):
    """What each gpu bears, its slots below, and the nodes."""
    room, each = len(expert_of_slot) // GPUS, BAR + GAP
    counts = [expert_of_slot.count(expert) for expert in range(EXPERTS)]
    mean, right = sum(LOADS) / GPUS, left + GPUS * each - GAP
    out = [text(left, 40, title, 16, "start", weight="bold")]
    numbers = []
    out += [text(left, 60, f"balancedness {stats.balancedness:.3f}", anchor="start", fill=FAINT)]
    for gpu in range(GPUS):
        x, y = left + gpu * each, BASE
        for seat, expert in enumerate(expert_of_slot[gpu * room : (gpu + 1) * room]):
            height = LOADS[expert] / counts[expert] * SCALE
            y -= height
            out += [box(x, y, BAR, height, COLORS[expert])]
            out += [box(x, BASE + 8 + seat * CELL, BAR, CELL, COLORS[expert])]
            out += [text(x + BAR / 2, BASE + 24 + seat * CELL, expert)]
        numbers += [text(x + BAR / 2, y - 6, f"{stats.gpu_load[0][gpu]:g}", 12, halo=True)]
        out += [text(x + BAR / 2, BASE + 24 + room * CELL, f"gpu {gpu}", 12, fill=FAINT)]
    out += [f'<path d="M{left - 6} {BASE - mean * SCALE:g}H{right + 6}" stroke="{TEXT}" stroke-dasharray="4 3"/>']
    out += [text(right + 10, BASE - mean * SCALE + 4, f"mean {mean:g}", 12, "start", FAINT)]
    out += numbers
    each_node = GPUS // NODES
    for node in range(NODES):
        x = left + node * each_node * each
        out += [bracket(x, x + each_node * each - GAP, BASE + 40 + room * CELL, f"node {node}")]
    return out


def draw():
    shape = eplb.Shape(1, EXPERTS, SLOTS, GPUS, num_groups=GROUPS, num_nodes=NODES)
    in_order = list(range(EXPERTS))
    before = eplb.score(eplb.Shape(1, EXPERTS, EXPERTS, GPUS), [LOADS], [in_order])
    plan = eplb.plan([LOADS], shape)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Helvetica, Arial, sans-serif">',
            box(0, 0, WIDTH, HEIGHT, "#ffffff"),
            *draw_experts(24),
            *draw_placement(310, "Each expert once, in order", in_order, before),
            *draw_placement(640, "Planned", list(plan.physical_to_logical[0]), plan.stats),
            text(24, 424, NOTE, 12, "start", FAINT),
            "</svg>\n",
        ]
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true")
    arguments.add_argument("file", type=pathlib.Path)
    given = arguments.parse_args()
    if not given.check:
        given.file.write_text(draw())
    elif given.file.read_text() != draw():
        sys.exit(f"{given.file} is not what the library plans now; draw it anew without --check")


if __name__ == "__main__":
    main()
