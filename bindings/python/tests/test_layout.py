# SPDX-License-Identifier: MIT
"""The raw layer against tests/abi/layout.json, which is made from the header: nothing may be missing or different."""

import copy
import ctypes
import dataclasses
import re

import pytest
from conftest import PACKAGE

import eplb
from eplb import raw

SCALARS = {
    "void": None,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "void*": ctypes.c_void_p,
    "char*": ctypes.c_char_p,
}


def to_ctypes(c_type):
    """What ctypes calls a type of the header."""
    name = c_type.replace("const ", "").strip()
    if name in SCALARS:
        return SCALARS[name]
    array = re.fullmatch(r"char\[(\d+)\]", name)
    if array:
        return ctypes.c_char * int(array.group(1))
    if name.endswith("*"):
        return ctypes.POINTER(to_ctypes(name[:-1]))
    return getattr(raw, name)


def signature(described):
    return to_ctypes(described["returns"]), tuple(to_ctypes(one["type"]) for one in described["parameters"])


def differences(layout):
    """One line for everything in which the raw layer is not the header."""
    out = []

    def same(what, got, want):
        if got != want:
            out.append(f"{what}: {got} in raw, {want} in the header")

    for name, value in layout["constants"].items():
        same(name, getattr(raw, name, None), value)
    for name in vars(raw):
        if name.startswith("EPLB_") and name not in layout["constants"]:
            out.append(f"{name} is not in the header")
    for function in layout["functions"]:
        same(function["name"], raw.FUNCTIONS.get(function["name"]), signature(function))
    for name in raw.FUNCTIONS.keys() - {function["name"] for function in layout["functions"]}:
        out.append(f"{name} is not in the header")
    for callback in layout["callbacks"]:
        got = getattr(raw, callback["name"], None)
        same(callback["name"], got and (got._restype_, got._argtypes_), signature(callback))
    for name, described in layout["structs"].items():
        struct = getattr(raw, name, None)
        if struct is None:
            out.append(f"{name} is missing")
            continue
        same(name, ctypes.sizeof(struct), described["size"])
        same(name, [field for field, _ in struct._fields_], list(described["fields"]))
        for field, type_ in struct._fields_:
            want = described["fields"].get(field)
            if want:
                placed = getattr(struct, field)
                same(f"{name}.{field}", (placed.offset, placed.size), (want["offset"], want["size"]))
                same(f"{name}.{field}", type_, to_ctypes(want["type"]))
    return out


def test_raw_is_the_header(layout):
    assert differences(layout) == []


def test_whatever_is_added_to_the_header_is_missed(layout):
    changes = [
        lambda it: it["constants"].update(EPLB_STRATEGY_NEW=10),
        lambda it: it["constants"].update(EPLB_SUCCESS=1),
        lambda it: it["functions"].append({"name": "eplb_new", "returns": "void", "parameters": []}),
        lambda it: it["functions"][0]["parameters"].append({"type": "int32_t", "name": "new"}),
        lambda it: it["callbacks"].append({"name": "eplb_new_fn", "returns": "void", "parameters": []}),
        lambda it: it["structs"].update(eplb_new={"size": 4, "fields": {}}),
        lambda it: it["structs"]["eplb_shape"].update(size=88),
    ]
    for struct in layout["structs"]:
        field = {"offset": 0, "size": 4, "type": "int32_t"}
        changes.append(lambda it, struct=struct, field=field: it["structs"][struct]["fields"].update(new=field))
    for change in changes:
        changed = copy.deepcopy(layout)
        change(changed)
        assert differences(changed) != []


ENUMS = {
    eplb.Strategy: "EPLB_STRATEGY_",
    eplb.Policy: "EPLB_POLICY_",
    eplb.Backend: "EPLB_BACKEND_",
    eplb.Memory: "EPLB_MEMORY_",
    eplb.ElementType: "EPLB_TYPE_",
    eplb.Initial: "EPLB_INITIAL_",
    eplb.AmplitudeForm: "EPLB_AMPLITUDE_",
    eplb.SwapScope: "EPLB_SWAP_",
    eplb.Selection: "EPLB_SELECTION_",
    eplb.Samples: "EPLB_SAMPLES_",
    eplb.Objective: "EPLB_OBJECTIVE_",
    eplb.Duplicates: "EPLB_DUPLICATES_",
    eplb.LogLevel: "EPLB_LOG_",
}


def test_every_constant_is_in_an_enumeration(layout):
    got = {prefix + one.name: int(one) for enum, prefix in ENUMS.items() for one in enum}
    for one in eplb.Status:
        plain = one in (eplb.Status.SUCCESS, eplb.Status.NOT_READY)
        got[("EPLB_" if plain else "EPLB_ERROR_") + one.name] = int(one)
    elsewhere = re.compile("EPLB_VERSION|EPLB_CHECK_")
    assert got == {name: value for name, value in layout["constants"].items() if not elsewhere.match(name)}


# What a dataclass does not say because it follows from an array, or is of the C interface alone.
OF_C_ALONE = re.compile("struct_size|reserved|type|memory|max_replicas|.*_count|workspace_bytes|user|alloc_fn|free_fn")


@pytest.mark.parametrize("name", ["shape", "options", "maps", "stats"])
def test_every_field_is_in_a_dataclass(layout, name):
    fields = {field.name for field in dataclasses.fields(getattr(eplb, name.capitalize()))}
    missing = [field for field in layout["structs"][f"eplb_{name}"]["fields"] if field not in fields]
    assert [field for field in missing if not OF_C_ALONE.fullmatch(field)] == []


def test_one_version(layout):
    assert f'version = "{layout["version"]}"' in (PACKAGE / "pyproject.toml").read_text()
    assert eplb.version() >= (raw.EPLB_VERSION_MAJOR, raw.EPLB_VERSION_MINOR, raw.EPLB_VERSION_PATCH)
