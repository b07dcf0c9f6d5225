#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times the library's strategies and other planners side by side, on the same fresh loads, in turn.

A planner is a Python file with DeepSeek's function,

    rebalance_experts(weight, num_replicas, num_groups, num_nodes, num_gpus) -> (physical_to_logical, ...)

It is given a torch tensor where torch is installed, else a numpy array, else lists. Example:

    python3 tests/bench/compare.py --planner eplb.py --planner mine.py:plan --shape 58x256-288/32
"""

import argparse
import array
import ctypes
import gc
import importlib.util
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import time

SUCCESS, POLICY_AUTO, POLICY_GLOBAL = 0, 0, 2


def struct(name, fields):
    """A ctypes structure; fields as 'type name name; type name', in the header's order."""
    types = {"u32": ctypes.c_uint32, "i32": ctypes.c_int32, "i64": ctypes.c_int64, "u64": ctypes.c_uint64,
             "f32": ctypes.c_float, "f64": ctypes.c_double, "size": ctypes.c_size_t, "ptr": ctypes.c_void_p,
             "text": ctypes.c_char * 504}
    pairs = [(field, types[line.split()[0]]) for line in fields.split(";") for field in line.split()[1:]]
    return type(name, (ctypes.Structure,), {"_fields_": [("struct_size", ctypes.c_uint32)] + pairs})


Error = struct("eplb_error", "i32 status; text message")
Shape = struct("eplb_shape", "i32 num_layers num_logical_experts num_physical_experts num_groups num_nodes num_gpus"
                             " reserved")
Options = struct("eplb_options", "i32 strategy policy backend memory device num_threads max_samples initial candidates;"
                                 "f32 amplitude; i32 amplitude_form swap_scope max_swaps selection log_level;"
                                 "ptr log progress alloc free user")
Input = struct("eplb_input", "i32 type memory num_samples; ptr loads; size loads_count; u64 seed")
Maps = struct("eplb_maps", "i32 type memory max_replicas; ptr physical_to_logical; size physical_to_logical_count;"
                           "ptr replica_rank; size replica_rank_count; ptr replica_count; size replica_count_count;"
                           "ptr logical_to_physical; size logical_to_physical_count")
Stats = struct("eplb_stats", "i32 max_replica_count; f64 balancedness balancedness_min; i64 empty_layers duplicates;"
                             "ptr layer_balancedness; size layer_balancedness_count; ptr gpu_load; size gpu_load_count")


class Deployment:
    """Parsed from [NAME:]LAYERSxEXPERTS-SLOTS/GPUS[/nodes:N/groups:K]."""

    def __init__(self, text):
        match = re.fullmatch(r"(?:[^:/]+:)?(\d+)x(\d+)-(\d+)/(\d+)(?:/nodes:(\d+)/groups:(\d+))?", text)
        if not match:
            raise argparse.ArgumentTypeError(f"'{text}' is not [NAME:]58x256-288/32[/nodes:4/groups:8]")
        self.text = text
        self.layers, self.experts, self.slots, self.gpus = map(int, match.group(1, 2, 3, 4))
        self.nodes, self.groups = (int(match.group(i) or 1) for i in (5, 6))


class Library:
    """libeplb.so, through its C interface."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(str(path))
        for name in ("eplb_strategy_name", "eplb_build_info"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.lib.eplb_destroy.restype = None
        self.error = self.init(Error)

    def init(self, kind, **values):
        made = kind()
        getattr(self.lib, kind.__name__ + "_init")(ctypes.byref(made), ctypes.c_size_t(ctypes.sizeof(kind)))
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def call(self, name, *arguments):
        if getattr(self.lib, name)(*arguments, ctypes.byref(self.error)) != SUCCESS:
            raise RuntimeError(self.error.message.decode())

    def strategies(self):
        return {self.lib.eplb_strategy_name(i).decode(): i for i in range(self.lib.eplb_strategy_count())}

    def shape(self, at):
        return self.init(Shape, num_layers=at.layers, num_logical_experts=at.experts, num_physical_experts=at.slots,
                         num_groups=at.groups, num_nodes=at.nodes, num_gpus=at.gpus)

    def input(self, loads):
        return self.init(Input, loads=loads.buffer_info()[0], loads_count=len(loads))

    def balancedness(self, at, loads, slot_expert):
        """Of any placement; an error if it is not one."""
        maps = self.init(Maps, physical_to_logical=slot_expert.buffer_info()[0],
                         physical_to_logical_count=len(slot_expert))
        stats = self.init(Stats)
        self.call("eplb_score_placement", ctypes.byref(self.shape(at)), ctypes.byref(self.input(loads)),
                  ctypes.byref(maps), ctypes.byref(stats))
        return stats.balancedness


class LibraryPlanner:
    """One strategy: a context and the maps it writes, made once."""

    def __init__(self, library, name, at, threads):
        self.eplb, self.name = library, name
        policy = POLICY_AUTO if at.nodes > 1 else POLICY_GLOBAL
        options = library.init(Options, strategy=library.strategies()[name], policy=policy, num_threads=threads)
        self.context = ctypes.c_void_p()
        library.call("eplb_create", ctypes.byref(library.shape(at)), ctypes.byref(options), ctypes.byref(self.context))
        counts = {"physical_to_logical": at.layers * at.slots, "replica_rank": at.layers * at.slots,
                  "replica_count": at.layers * at.experts}
        self.buffers = {name: array.array("i", bytes(4 * count)) for name, count in counts.items()}
        self.maps = library.init(Maps)
        for name, buffer in self.buffers.items():
            setattr(self.maps, name, buffer.buffer_info()[0])
            setattr(self.maps, name + "_count", len(buffer))

    def prepare(self, loads):
        return self.eplb.input(loads)

    def plan(self, prepared):
        self.eplb.call("eplb_submit_weights", self.context, ctypes.byref(prepared))
        self.eplb.call("eplb_get_maps", self.context, ctypes.byref(self.maps))
        return self.buffers["physical_to_logical"]

    def slot_expert(self, result):
        return result

    def close(self):
        self.eplb.lib.eplb_destroy(self.context)


class PythonPlanner:
    """A function with DeepSeek's signature."""

    def __init__(self, text, at, make_tensor):
        path, _, function = text.partition(":")
        self.name = pathlib.Path(path).stem + (":" + function if function else "")
        self.at, self.make_tensor = at, make_tensor
        spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
        if spec is None:
            raise ImportError(f"{path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.function = getattr(module, function or "rebalance_experts")

    def prepare(self, loads):
        return self.make_tensor(loads, self.at)

    def plan(self, prepared):
        at = self.at
        slot_expert = self.function(prepared, at.slots, at.groups, at.nodes, at.gpus)[0]
        # A planner on a GPU is done when its plan has arrived.
        return slot_expert.cpu() if hasattr(slot_expert, "cpu") else slot_expert

    def slot_expert(self, result):
        rows = result.tolist() if hasattr(result, "tolist") else result
        return array.array("i", [int(expert) for row in rows for expert in row])

    def close(self):
        pass


def tensor_maker(threads):
    """What planners are given, and its name."""
    try:
        import torch
        torch.set_num_threads(threads)
        return lambda loads, at: torch.tensor(loads).view(at.layers, at.experts), "torch tensors"
    except ImportError:
        pass
    try:
        import numpy
        return (lambda loads, at: numpy.array(loads, dtype=numpy.float32).reshape(at.layers, at.experts),
                "numpy arrays; torch is not installed")
    except ImportError:
        return (lambda loads, at: [loads[i:i + at.experts].tolist() for i in range(0, len(loads), at.experts)],
                "lists; neither torch nor numpy is installed")


def make_loads(at, count, tool):
    """Fresh loads for each round: lognormal like recorded ones, or made by the tool."""
    if tool:
        text = subprocess.run([tool, "generate", "--shape", f"{at.layers}x{at.experts}", "--groups", str(at.groups),
                               "--kind", "real", "--samples", str(count)], check=True, stdout=subprocess.PIPE).stdout
        samples = json.loads(text)["logical_count"]
        samples = samples if count > 1 else [samples]
        return [array.array("f", [load for layer in sample for load in layer]) for sample in samples]
    draw = random.Random(1)
    return [array.array("f", [round(1000 * draw.lognormvariate(0, 0.65)) for _ in range(at.layers * at.experts)])
            for _ in range(count)]


def run(planners, library, at, loads):
    """Times and balancedness of each planner, a round of all after another; those that fail are named and left."""
    results = {planner: ([], []) for planner in planners}
    gc.disable()
    for turn, fresh in enumerate([loads[0]] + loads):  # the first round warms up
        for planner in list(results):
            try:
                prepared = planner.prepare(fresh)
                begin = time.perf_counter()
                result = planner.plan(prepared)
                seconds = time.perf_counter() - begin
                balancedness = library.balancedness(at, fresh, planner.slot_expert(result))
            except Exception as error:  # whatever a planner throws is its own
                print(f"{planner.name} failed: {type(error).__name__}: {error}", file=sys.stderr)
                del results[planner]
                continue
            if turn > 0:
                results[planner][0].append(seconds * 1e3)
                results[planner][1].append(balancedness)
        gc.collect()
    gc.enable()
    return results


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", dest="shared_object", default="build/src/libeplb.so", help="default: %(default)s")
    parser.add_argument("--strategy", action="append", help="one of the library's; default: all")
    parser.add_argument("--planner", action="append", default=[], metavar="FILE.py[:FUNCTION]")
    parser.add_argument("--shape", action="append", type=Deployment, metavar="[NAME:]LAYERSxEXPERTS-SLOTS/GPUS",
                        help="then /nodes:N/groups:K for a plan by node; default: deepseek-v3:58x256-288/32")
    parser.add_argument("--threads", type=int, default=1, help="of the library and of torch; default: 1")
    parser.add_argument("--repeat", type=int, default=16, metavar="N", help="rounds, each with loads of its own")
    parser.add_argument("--tool", metavar="EPLB", help="take the loads from this tool's 'generate --kind real'")
    parser.add_argument("--json", metavar="OUT", help="write the figures here too, named as eplb_bench names them")
    arguments = parser.parse_args()
    if arguments.repeat < 1:
        parser.error("--repeat: at least 1")

    try:
        library = Library(pathlib.Path(arguments.shared_object).resolve())
    except OSError as error:
        parser.error(f"--library: {error}")
    known = library.strategies()
    names = arguments.strategy or [name for name in known if name != "auto"]
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"--strategy: no '{unknown[0]}' among {', '.join(known)}")
    make_tensor, tensors = tensor_maker(arguments.threads)
    print(library.lib.eplb_build_info().decode())
    if arguments.planner:
        print(f"planners are given {tensors}")

    records, complete = [], True
    for at in arguments.shape or [Deployment("deepseek-v3:58x256-288/32")]:
        planners = [LibraryPlanner(library, name, at, arguments.threads) for name in names]
        for text in arguments.planner:
            try:
                planners.append(PythonPlanner(text, at, make_tensor))
            except (ImportError, OSError, AttributeError, SyntaxError) as error:
                print(f"{text} cannot be loaded: {error}", file=sys.stderr)
        results = run(planners, library, at, make_loads(at, arguments.repeat, arguments.tool))
        complete &= len(results) == len(names) + len(arguments.planner)
        rows = [("planner", "median ms", "min", "max", "balancedness", "ratio")]
        first = statistics.median(next(iter(results.values()))[0]) if results else 0
        for planner, (times, balance) in results.items():
            median, balancedness = statistics.median(times), statistics.mean(balance)
            rows.append((planner.name, f"{median:.3f}", f"{min(times):.3f}", f"{max(times):.3f}",
                         f"{balancedness:.4f}", f"{median / first:.2f}"))
            records.append({"name": f"plan/{planner.name}/{at.text}/threads:{arguments.threads}", "ms": median,
                            "ms_min": min(times), "ms_max": max(times), "balancedness": balancedness})
        print(f"\n{at.text}, threads: {arguments.threads}, rounds: {arguments.repeat}")
        print_table(rows)
        for planner in planners:
            planner.close()
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"benchmarks": records}, indent=1) + "\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
