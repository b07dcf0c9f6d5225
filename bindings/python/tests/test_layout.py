# SPDX-License-Identifier: MIT
"""Holds the package against tests/abi/layout.json, which is made from the header."""

import ctypes
import dataclasses
import re

import pytest
from conftest import PACKAGE

import eplb
from eplb import raw
from eplb._settings import Settled


def test_structs_are_laid_out_as_in_c(layout):
    for name, described in layout["structs"].items():
        struct = raw.new(getattr(raw, name))
        fields = [(field, getattr(type(struct), field)) for field, _ in struct._fields_]
        assert ctypes.sizeof(struct) == described["size"], name
        assert {field: (it.offset, it.size) for field, it in fields} == {
            field: (it["offset"], it["size"]) for field, it in described["fields"].items()
        }
        numbers = {field: it["default"] for field, it in described["fields"].items() if isinstance(it["default"], int)}
        assert {field: getattr(struct, field) for field in numbers} == numbers


# A planner does what the one call does, and enumerations have their names and members.
OF_RAW_ALONE = {
    "eplb_rebalance_experts",
    "eplb_status_name",
    "eplb_status_string",
    "eplb_strategy_from_name",
    "eplb_backend_count",
    "eplb_backend_name",
}


SOURCES = "".join(path.read_text() for path in (PACKAGE / "eplb").glob("*.py") if path.name != "_header.py")


def test_every_function_is_called(layout):
    """But for those that raw.new() finds by name."""
    hint = "call it in a module of eplb, or name it in OF_RAW_ALONE"
    names = {function["name"] for function in layout["functions"] if not function["name"].endswith("_init")}
    assert {name for name in names if not re.search(rf"\b{name}\b", SOURCES)} == OF_RAW_ALONE, hint


# What a dataclass does not say because it follows from an array, or is of the C interface alone.
OF_C_ALONE = re.compile("struct_size|reserved|type|memory|max_replicas|.*_count|workspace_bytes|user|alloc_fn|free_fn")


@pytest.mark.parametrize("name", ["shape", "options", "maps", "stats"])
def test_every_field_is_in_a_dataclass(layout, name):
    fields = {field.name for field in dataclasses.fields(getattr(eplb, name.capitalize()))}
    missing = [field for field in layout["structs"][f"eplb_{name}"]["fields"] if field not in fields]
    assert [field for field in missing if not OF_C_ALONE.fullmatch(field)] == []


def test_every_option_arrives(layout):
    fields = layout["structs"]["eplb_options"]["fields"]
    for field in dataclasses.fields(eplb.Options):
        if fields[field.name]["type"] in ("int32_t", "float"):
            wanted = 1 if "enum" in fields[field.name] else 7
            settled = Settled(eplb.Options(**{field.name: wanted}))
            assert getattr(settled.struct, field.name) == wanted, field.name


@pytest.mark.parametrize("name", ["input", "packing"])
def test_every_field_is_set(layout, name):
    fields = layout["structs"][f"eplb_{name}"]["fields"]
    missing = [field for field in fields if not re.search(rf"\b{field}\b", SOURCES)]
    assert [field for field in missing if not OF_C_ALONE.fullmatch(field)] == []


def test_one_version(layout):
    assert f'version = "{layout["version"]}"' in (PACKAGE / "pyproject.toml").read_text()
    assert eplb.version() >= (raw.EPLB_VERSION_MAJOR, raw.EPLB_VERSION_MINOR, raw.EPLB_VERSION_PATCH)
