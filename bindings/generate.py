#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the raw layers of the bindings from the description of eplb.h, tests/abi/layout.json.

  generate.py          writes every file that is not as it should be
  generate.py --check  only tells the differences, and fails if there are any

`files()` at the end says what is made; what people of a language use lies on top of it, and is written by hand. In the
template of a file a line $part stands for lines that are made. A declaration of the header that has no form here is an
error.
"""

import difflib
import json
import re
import sys
import textwrap
from pathlib import Path

BINDINGS = Path(__file__).resolve().parent
HEADER = json.loads((BINDINGS / "../tests/abi/layout.json").read_text())
CONSTANTS, ENUMS, STRUCTS = HEADER["constants"], HEADER["enums"], HEADER["structs"]
FUNCTIONS, CALLBACKS, HANDLES = HEADER["functions"], HEADER["callbacks"], HEADER["handles"]
WIDTH = 120

# Where an enumeration is not called as in C.
ENUM_NAMES = {"eplb_status_code": "Status", "eplb_type": "ElementType"}
ENUM_OF_CONSTANT = {constant: enum for enum, e in ENUMS.items() for constant in e["values"]}


def fail(what):
    sys.exit(f"generate.py: {what} has no form here; teach it")


def fill(template, **parts):
    """The lines of a template. Each begins with a comment that says where the file comes from."""
    parts["made"] = ["Made from eplb.h by bindings/generate.py."]
    out = []
    for line in template.strip("\n").split("\n"):
        match = re.fullmatch(r"(.*)\$(\w+)(.*)", line)
        out += [(match[1] + made + match[3]).rstrip() for made in parts[match[2]]] if match else [line]
    return out


def comment(text, prefix):
    """Lines of a comment, folded; `prefix` has its indentation."""
    return [prefix + line for line in textwrap.wrap(text, WIDTH - len(prefix), break_long_words=False)]


def fold_items(items, end, indent):
    """Items with commas between them, on as many lines as it takes, none of them broken."""
    text = ", ".join(item.replace(" ", "\0") for item in items) + end
    lines = textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False)
    return [line.replace("\0", " ") for line in lines]


def prose(text, refer):
    """A comment of the header, in which what it names is called by `refer` as the language has it."""
    return re.sub(r"(?:@ref )?\b((?:eplb|EPLB)_\w+)(?:\(\))?", lambda m: refer(m.group(1)), text)


def words_of(constant):
    """['swap', 'any'] of EPLB_STRATEGY_LPT_SWAP_ANY: what is left without the words of its enumeration."""
    words, known = constant.lower().split("_"), ENUM_OF_CONSTANT[constant].split("_")
    while len(words) > 1 and known and words[0] == known.pop(0):
        del words[0]
    return words


def member_words(constant):
    """The words of a constant as a member of its type: that a status is an error is in its name in C and Go only."""
    words = words_of(constant)
    return words[1:] if words[0] == "error" else words


def pascal(words, special={}):
    return "".join(special.get(word, word.capitalize()) for word in words)


def upper(words):
    return "_".join(words).upper()


def short(c_name):
    return c_name.removeprefix("eplb_")


def type_name(c_name):
    """SwapScope of eplb_swap_scope, Options of eplb_options."""
    return ENUM_NAMES.get(c_name) or pascal(short(c_name).split("_"))


def are_flags(enum):
    """Whether its values are put together with |: it is that of an unsigned parameter."""
    return any(p.get("enum") == enum and p["type"] == "uint32_t" for f in FUNCTIONS for p in f["parameters"])


def all_constants():
    """(name, value) of every constant, those of enumerations included."""
    yield from CONSTANTS.items()
    for enum in ENUMS.values():
        yield from ((constant, c["value"]) for constant, c in enum["values"].items())


def pointed_to(c_type):
    """'eplb_shape' of 'const eplb_shape*'; None if it is no pointer."""
    return c_type[:-1].removeprefix("const ").strip() if c_type.endswith("*") else None


def object_of(c_type):
    """The handle or struct that a type points to, at one or two removes, if there is one."""
    target = c_type.removeprefix("const ").rstrip("*")
    return target if c_type.endswith("*") and (target in HANDLES or target in STRUCTS) else None


def array_of(c_type):
    """('char', 504) of 'char[504]'."""
    match = re.fullmatch(r"(\w+)\[(\d+)\]", c_type)
    return match and (match[1], int(match[2]))


def translate(c_type, names, pointer):
    """A type by a table of names and a function (target, is const) for pointers. Ours keep their names."""
    if c_type in names:
        return names[c_type]
    target = pointed_to(c_type)
    if target is not None:
        return pointer(translate(target, names, pointer), c_type.startswith("const "))
    ours = {"eplb_status", *HANDLES, *STRUCTS, *(f["name"] for f in CALLBACKS)}
    return c_type if c_type in ours else fail(f"the type {c_type}")


# ---------------------------------------------------------------------------------------------------- Rust

RUST_TYPES = {
    "uint8_t": "u8", "int32_t": "i32", "uint32_t": "u32", "int64_t": "i64", "uint64_t": "u64", "size_t": "usize",
    "float": "f32", "double": "f64", "char": "c_char", "void": "c_void",
}  # fmt: skip
RUST_KEYWORDS = {"as", "box", "in", "loop", "match", "mod", "move", "ref", "self", "type", "use", "where"}
RUST_ENUM_NAMES = {name: type_name(name) for name in ENUMS if name != "eplb_type"}  # those of elements are Rust's own
RUST_ENUM_NAMES["eplb_check_flag"] = "CheckFlags"


def rust_type(c_type):
    if array_of(c_type):
        return "[{}; {}]".format(rust_type(array_of(c_type)[0]), array_of(c_type)[1])
    return translate(c_type, RUST_TYPES, lambda to, const: f"*{'const' if const else 'mut'} {to}")


def rust_name(name):
    return "r#" + name if name in RUST_KEYWORDS else name


def rust_functions(functions):
    for f in functions:
        parameters = [f"{rust_name(p['name'])}: {rust_type(p['type'])}" for p in f["parameters"]]
        result = ";" if f["returns"] == "void" else f" -> {rust_type(f['returns'])};"
        line = f"{f['name']}({', '.join(parameters)}){result}"
        if 8 + len(line) <= WIDTH:
            yield line
        else:
            yield f"{f['name']}("
            yield from (f"    {p}," for p in parameters)
            yield f"){result}"


def rust_structs():
    for name, struct in STRUCTS.items():
        yield f"{name} {{"
        yield from (f"    {rust_name(field)}: {rust_type(is_['type'])}," for field, is_ in struct["fields"].items())
        yield "}"


def rust_header():
    template = """
// SPDX-License-Identifier: MIT
// $made

use std::os::raw::{c_char, c_void};

/// 0 on success, otherwise another of the `EPLB_...` constants below.
pub type eplb_status = i32;

declare! {
    handles {
        $handles
    }
    constants {
        $constants
    }
    callbacks {
        $callbacks
    }
    structs {
        $structs
    }
    functions {
        $functions
    }
}
"""
    return fill(
        template,
        handles=[f"{handle};" for handle in HANDLES],
        constants=[f"{name} = {value};" for name, value in all_constants()],
        callbacks=rust_functions(CALLBACKS),
        structs=rust_structs(),
        functions=rust_functions(FUNCTIONS),
    )


def rust_layouts():
    for name, struct in STRUCTS.items():
        yield f"is_laid_out! {{ {name}, {name}_init, {struct['size']} bytes,"
        for field, is_ in struct["fields"].items():
            default = float(is_["default"]) if is_["type"] in ("float", "double") else is_["default"]
            by_default = f", by default {default}" if isinstance(default, (int, float)) else ""
            yield f"    {rust_name(field)}: {is_['size']} bytes at {is_['offset']}{by_default};"
        yield "}"


def rust_layout_test():
    template = """
// SPDX-License-Identifier: MIT
// $made
//! Where a C compiler puts the fields of each struct, and what the library writes into them by default.

use crate::*;

#[test]
fn structs_are_as_c_has_them() {
    load().expect("the library");
    $layouts
}
"""
    return fill(template, layouts=rust_layouts())


def rust_refer(to):
    if to in ENUM_OF_CONSTANT:
        return "[`{0}`](Self::{0})".format(upper(member_words(to)))
    name = RUST_ENUM_NAMES.get(to) or (type_name(to) if to in STRUCTS else short(to))
    return f"[`{name}`](crate::{name})"


def rust_enums():
    out = fill(
        """
// SPDX-License-Identifier: MIT
// $made
//! The enumerations of the header; those of element types are types of Rust.

use crate::values::open_enum;
"""
    )
    for c_name, name in RUST_ENUM_NAMES.items():
        out += ["", "open_enum! {"] + comment(prose(ENUMS[c_name]["doc"], rust_refer), "    /// ")
        out.append(f"    pub struct {name} {{")
        for constant, c in ENUMS[c_name]["values"].items():
            out += comment(prose(c["doc"], rust_refer), "        /// ")
            out.append(f"        {upper(member_words(constant))} = {constant},")
        out += ["    }", "}"]
    return out


# ---------------------------------------------------------------------------------------------------- Go

GO_WORDS = {"lpt": "LPT", "cpu": "CPU", "cuda": "CUDA", "minmax": "MinMax", "error": "Err"}
# What a type is for in Go beyond what the header says of it.
GO_ALSO = {
    "eplb_status_code": " Each value is an error of its own, so that errors.Is(err, eplb.ErrInvalidLoad) tells what"
    " went wrong."
}


def go_constant(constant):
    """StrategyLPTSwapAny, SwapAnyAny, ErrCUDA: with the words that a constant shares with its enumeration."""
    shared = constant.lower().split("_")[1 : -len(words_of(constant))]
    return pascal(shared + words_of(constant), GO_WORDS)


def go_enum_name(c_name):
    return "Type" if c_name == "eplb_type" else type_name(c_name)


def go_refer(to):
    if to in ENUM_OF_CONSTANT:
        return go_constant(to)
    return go_enum_name(to) if to in ENUMS else pascal(short(to).split("_"), GO_WORDS)


def go_enums():
    for c_name, enum in ENUMS.items():
        name, doc = go_enum_name(c_name), prose(enum["doc"], go_refer)
        yield ""
        yield from comment(f"{name} is {doc[0].lower()}{doc[1:]}{GO_ALSO.get(c_name, '')}", "// ")
        yield from [f"type {name} {'uint32' if are_flags(c_name) else 'int32'}", "", "const ("]
        rows = [(go_constant(c), str(v["value"]), prose(v["doc"], go_refer)) for c, v in enum["values"].items()]
        widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines = [f"\t{constant:{widths[0]}} {name} = {value:{widths[1]}} // {doc}" for constant, value, doc in rows]
        if max(len(line.expandtabs(4)) for line in lines) <= WIDTH:
            yield from lines
        else:
            for constant, value, doc in rows:
                yield from ("\t" + line.strip() for line in comment(doc, "    // "))
                yield f"\t{constant} {name} = {value}"
        yield ")"


def go_constants():
    template = """
// SPDX-License-Identifier: MIT
// $made

package eplb

// Version of the library's header that this package is written against, as major*10000 + minor*100 + patch. A library
// that is older is refused.
const (
	$parts
	Version      = VersionMajor*10000 + VersionMinor*100 + VersionPatch
)
$enums
"""
    parts = zip(("Major", "Minor", "Patch"), HEADER["version"].split("."))
    return fill(template, parts=[f"Version{part} = {number}" for part, number in parts], enums=go_enums())


# cgo knows the header, so only the way to its functions is made: Go may hand C an array, but no struct in C's memory
# that points to one. The one function that may come beside another call of its context takes no part.
GO_FUNCTIONS = [
    f
    for f in FUNCTIONS
    if f["name"] != "eplb_poll"
    and f["returns"] == "eplb_status"
    and any(object_of(p["type"]) not in (None, "eplb_error") for p in f["parameters"])
    and not f["name"].endswith("_init")
]


def go_function(f):
    return f["name"].upper().replace("EPLB_", "EPLB_GO_", 1)


def go_arrays():
    """(struct, field, type) of each field that points to an array of the caller's."""
    for name, struct in STRUCTS.items():
        for field, is_ in struct["fields"].items():
            if field + "_count" in struct["fields"]:
                element = pointed_to(is_["type"]) or fail(f"{name}.{field}, which has a count,")
                yield name, field, "char" if element == "void" else element


def go_is_written(struct):
    """Whether calls write into a struct, and not just into its arrays."""
    return any(p["type"] == struct + "*" for f in GO_FUNCTIONS for p in f["parameters"])


GO_READ = [name for name in STRUCTS if not go_is_written(name) and any(s == name for s, _, _ in go_arrays())]
GO_OPTIONAL = [name for name in STRUCTS if go_is_written(name) and name != "eplb_error"]


def go_scalars():
    """{name: type} of the parameters that are no objects."""
    out = {}
    for f in GO_FUNCTIONS:
        for p in f["parameters"]:
            if object_of(p["type"]):
                continue
            c_type = p["type"] if pointed_to(p["type"]) in (None, "void") else pointed_to(p["type"])
            if p["type"].startswith("const ") or out.setdefault(p["name"], c_type) != c_type:
                fail(f"the parameter {p['name']} of {f['name']}")
    return out


def go_argument(p):
    """What C gives for a parameter: a handle, the struct that has its arrays, the one of the call, or a scalar."""
    of, target = object_of(p["type"]), pointed_to(p["type"])
    if of and p["name"] != short(of):
        fail(f"the parameter {p['name']}, a second {of},")
    if of in HANDLES:
        return f"{'&' if target != of else ''}a->{short(of)}"
    if of in GO_OPTIONAL:
        return f"a->wants_{short(of)} ? &a->{short(of)} : NULL"
    if of:
        return f"&{short(of)}" if of in GO_READ else f"&a->{short(of)}"
    return f"a->{p['name']}" if target in (None, "void") else f"&a->{p['name']}"


def go_cases():
    for f in GO_FUNCTIONS:
        head = f"      status = {f['name']}("
        arguments = fold_items(map(go_argument, f["parameters"]), ");", " " * len(head))
        yield f"case {go_function(f)}:"
        yield from [head[4:] + arguments[0].lstrip(), *(line[4:] for line in arguments[1:]), "  break;"]


def go_raw_h():
    template = """
/* SPDX-License-Identifier: MIT */
/* $made */
#ifndef EPLB_GO_RAW_H
#define EPLB_GO_RAW_H

#include <eplb/eplb.h>

/* What the functions take, but for arrays. */
typedef struct eplb_go_arguments {
  $handles
  $structs
  $wants
  $scalars
} eplb_go_arguments;

/* The arrays that structs point to. Those of any type are char* here: with void* the runtime would look for Go
 * pointers in whatever the array is a part of. */
typedef struct eplb_go_arrays {
  $arrays
} eplb_go_arrays;

typedef enum eplb_go_function {
  $functions
} eplb_go_function;

/* All structs at their defaults. */
void eplb_go_init(eplb_go_arguments* a);

/* Calls a function. C keeps no pointer to an array. */
eplb_status eplb_go_do(eplb_go_arguments* a, eplb_go_function function, eplb_go_arrays arrays);

#endif /* EPLB_GO_RAW_H */
"""
    return fill(
        template,
        handles=[f"{handle}* {short(handle)};" for handle in HANDLES],
        structs=[f"{name} {short(name)};" for name in STRUCTS],
        wants=[f"int32_t wants_{short(name)}; /* 0: the call gets NULL for it. */" for name in GO_OPTIONAL],
        scalars=[f"{c_type} {name};" for name, c_type in go_scalars().items()],
        arrays=[f"{element}* {field};" for _, field, element in go_arrays()],
        functions=",\n".join(map(go_function, GO_FUNCTIONS)).split("\n"),
    )


def go_raw_c():
    template = """
/* SPDX-License-Identifier: MIT */
/* $made */
#include "raw.h"

#include <stddef.h>

void eplb_go_init(eplb_go_arguments* a) {
  $inits
}

eplb_status eplb_go_do(eplb_go_arguments* a, eplb_go_function function, eplb_go_arrays arrays) {
  $read
  eplb_status status = EPLB_ERROR_INTERNAL;

  $given

  switch (function) {
    $cases
  }

  $taken
  return status;
}
"""
    where = {name: short(name) if name in GO_READ else f"a->{short(name)}" for name in STRUCTS}
    return fill(
        template,
        inits=[f"{name}_init(&a->{short(name)}, sizeof a->{short(name)});" for name in STRUCTS],
        read=[f"{name} {short(name)} = a->{short(name)};" for name in GO_READ],
        given=[f"{where[struct]}.{field} = arrays.{field};" for struct, field, _ in go_arrays()],
        cases=go_cases(),
        taken=[f"{where[struct]}.{field} = NULL;" for struct, field, _ in go_arrays() if struct not in GO_READ],
    )


# ---------------------------------------------------------------------------------------------------- C#

CSHARP_TYPES = {
    "uint8_t": "byte", "int32_t": "int", "uint32_t": "uint", "int64_t": "long", "uint64_t": "ulong",
    "size_t": "UIntPtr", "float": "float", "double": "double", "char": "byte", "void": "void", "eplb_status": "Status",
}  # fmt: skip
CSHARP_KEYWORDS = {"base", "event", "fixed", "in", "lock", "object", "out", "params", "ref", "string"}


def csharp_type(is_, key="type"):
    if "enum" in is_:
        return type_name(is_["enum"])
    return translate(is_[key], CSHARP_TYPES, lambda to, const: to + "*")


def csharp_name(name):
    return "@" + name if name in CSHARP_KEYWORDS else name


def csharp_parameters(f):
    return [f"{csharp_type(p)} {csharp_name(p['name'])}" for p in f["parameters"]]


def csharp_functions():
    for f in FUNCTIONS:
        yield "[DllImport(Library, CallingConvention = C)]"
        head = f"public static extern {csharp_type(f, 'returns')} {f['name']}("
        line = head + ", ".join(csharp_parameters(f)) + ");"
        if 8 + len(line) <= WIDTH:
            yield line
        else:
            yield head
            yield from (folded[8:] for folded in fold_items(csharp_parameters(f), ");", " " * 12))


def csharp_types():
    for f in CALLBACKS:
        yield from ["", f'/// <summary>What <see cref="eplb_options.{short(f["name"])}"/> points to.</summary>']
        yield "[UnmanagedFunctionPointer(CallingConvention.Cdecl)]"
        result, parameters = csharp_type(f, "returns"), ", ".join(csharp_parameters(f))
        yield f"public unsafe delegate {result} {f['name']}({parameters});"
    for handle in HANDLES:
        yield from [
            "",
            "/// <summary>Opaque; only pointers to it exist.</summary>",
            f"public struct {handle}",
            "{",
            "}",
        ]
    for name, struct in STRUCTS.items():
        yield from ["", "/// <summary>As in eplb.h.</summary>"]
        yield from [f"public unsafe struct {name}", "{"]
        for field, is_ in struct["fields"].items():
            if array_of(is_["type"]):
                element, count = array_of(is_["type"])
                yield f"    public fixed {CSHARP_TYPES[element]} {csharp_name(field)}[{count}];"
            else:
                c_type = "IntPtr" if is_["type"].endswith("_fn") else csharp_type(is_)
                yield f"    public {c_type} {csharp_name(field)};"
        yield "}"


def csharp_native():
    template = """
// SPDX-License-Identifier: MIT
// $made
using System;
using System.Runtime.InteropServices;

// The C names are kept, so that eplb.h is the manual of this file; a second one here would only grow stale.
#pragma warning disable 1591

namespace Eplb.Raw
{
    /// <summary>The functions and version constants of eplb.h, as they are there.</summary>
    public static unsafe partial class Native
    {
        $constants

        $functions
    }
    $types
}
"""
    return fill(
        template,
        constants=[f"public const int {name} = {value};" for name, value in CONSTANTS.items()],
        functions=csharp_functions(),
        types=csharp_types(),
    )


def csharp_refer(to):
    if to in ENUM_OF_CONSTANT:
        return f'<see cref="{type_name(ENUM_OF_CONSTANT[to])}.{pascal(member_words(to))}"/>'
    return f'<see cref="{type_name(to)}"/>' if to in ENUMS or to in STRUCTS else f"<c>{type_name(to)}</c>"


def csharp_summary(doc, indent):
    text = prose(doc.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), csharp_refer)
    unbroken = f"<summary>{text}</summary>".replace("<see ", "<see\0")
    return [line.replace("\0", " ") for line in comment(unbroken, indent + "/// ")]


def csharp_enum(c_name):
    yield from csharp_summary(ENUMS[c_name]["doc"], " " * 4)
    if are_flags(c_name):
        yield from ["    [System.Flags]", f"    public enum {type_name(c_name)} : uint"]
    else:
        yield f"    public enum {type_name(c_name)}"
    yield "    {"
    for constant, c in ENUMS[c_name]["values"].items():
        yield from csharp_summary(c["doc"], " " * 8)
        comma = "," if constant != list(ENUMS[c_name]["values"])[-1] else ""
        yield f"        {pascal(member_words(constant))} = {c['value']}{comma}"
    yield "    }"


def csharp_enums():
    out = fill(
        """
// SPDX-License-Identifier: MIT
// $made
// EPLB_SWAP_HEAVIEST_ANY is SwapScope.HeaviestAny, EPLB_ERROR_CUDA is Status.Cuda.
namespace Eplb
{
"""
    )
    for c_name in ENUMS:
        out += [*csharp_enum(c_name), ""]
    return out[:-1] + ["}"]


def csharp_inits():
    for name in STRUCTS:
        yield f"fixed ({name}* {short(name)} = &{type_name(name)})"
        yield f"    Native.{name}_init({short(name)}, (UIntPtr)sizeof({name}));"


def csharp_defaults():
    template = """
// SPDX-License-Identifier: MIT
// $made
using System;
using Eplb.Raw;

namespace Eplb
{
    /// <summary>What the library's init functions write, asked for once: calls copy it. Not before
    /// <see cref="Library.Load"/>.</summary>
    internal static unsafe class Defaults
    {
        $fields

        static Defaults()
        {
            $inits
        }
    }
}
"""
    fields = [f"public static readonly {name} {type_name(name)};" for name in STRUCTS]
    return fill(template, fields=fields, inits=csharp_inits())


# ---------------------------------------------------------------------------------------------------- Python

PYTHON_TYPES = {
    "uint8_t": "c_uint8", "int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64",
    "size_t": "c_size_t", "float": "c_float", "double": "c_double", "char": "c_char", "void": "None",
    "void*": "c_void_p", "const void*": "c_void_p", "char*": "c_char_p", "const char*": "c_char_p",
}  # fmt: skip
# Enumerations of flags are arguments of their own in Python.
PYTHON_ENUM_NAMES = {c_name: type_name(c_name) for c_name in ENUMS if not are_flags(c_name)}


def python_pointer(to, const):
    return "_" + short(to) if to.startswith("eplb_") else f"POINTER({to})"


def python_type(c_type):
    if array_of(c_type):
        return "{} * {}".format(python_type(array_of(c_type)[0]), array_of(c_type)[1])
    return translate(c_type, PYTHON_TYPES, python_pointer)


def python_constants():
    yield from (f"{name} = {value}" for name, value in CONSTANTS.items())
    for enum in ENUMS.values():
        yield ""
        yield from (f"{constant} = {c['value']}" for constant, c in enum["values"].items())


def python_classes():
    for handle in HANDLES:
        yield from ["", "", f"class {handle}(ctypes.Structure):", '    """Opaque."""']
    for name, struct in STRUCTS.items():
        yield from ["", "", f"class {name}(ctypes.Structure):", "    _fields_ = ["]
        yield from (f'        ("{field}", {python_type(is_["type"])}),' for field, is_ in struct["fields"].items())
        yield "    ]"


def python_functions():
    for f in FUNCTIONS:
        types = ", ".join(python_type(p["type"]) for p in f["parameters"])
        comma = "," if len(f["parameters"]) == 1 else ""
        yield f'"{f["name"]}": ({python_type(f["returns"])}, ({types}{comma})),'


def python_defaults():
    for name, struct in STRUCTS.items():
        defaults = {f: is_["default"] for f, is_ in struct["fields"].items() if is_["default"] and f != "struct_size"}
        if defaults:
            yield f'"{name}": {json.dumps(defaults)},'


def python_header():
    template = '''
# SPDX-License-Identifier: MIT
# $made
"""Every constant, callback, struct and function of ``eplb.h`` under its own name."""

import ctypes
from ctypes import CFUNCTYPE, POINTER
from ctypes import $types

$constants

eplb_status = c_int32

$callbacks
$classes


$pointers

#: Result and parameter types of each function.
FUNCTIONS = {
    $functions
}

#: Default of each field that has another one than 0.
DEFAULTS = {
    $defaults
}
'''
    signatures = {f["name"]: [f["returns"], *(p["type"] for p in f["parameters"])] for f in CALLBACKS}
    parts = {
        "constants": list(python_constants()),
        "callbacks": [f"{name} = CFUNCTYPE({', '.join(map(python_type, s))})" for name, s in signatures.items()],
        "classes": list(python_classes()),
        "pointers": [f"_{short(name)} = POINTER({name})" for name in [*HANDLES, *STRUCTS]],
        "functions": list(python_functions()),
        "defaults": list(python_defaults()),
    }
    types = sorted(set(re.findall(r"\bc_\w+", str(parts))))
    return fill(template, types=[", ".join(types)], **parts)


def python_refer(to):
    return upper(member_words(to)) if to in ENUM_OF_CONSTANT else type_name(to)


def python_enum_classes():
    for c_name, name in PYTHON_ENUM_NAMES.items():
        yield from ["", "", f"class {name}(IntEnum):"]
        first, *others = comment(prose(ENUMS[c_name]["doc"], python_refer) + '"""', "    ")
        yield from ['    """' + first.lstrip(), *others, ""]
        for constant, c in ENUMS[c_name]["values"].items():
            yield from comment(prose(c["doc"], python_refer), "    #: ")
            yield f"    {upper(member_words(constant))} = raw.{constant}"


def python_enums():
    template = '''
# SPDX-License-Identifier: MIT
# $made
"""The constants of the header as enumerations."""

from enum import IntEnum
from typing import Dict, Type

from . import _header as raw

__all__ = [
    $names
]
$classes


#: Of the options that have one.
ENUM_OF_OPTION: Dict[str, Type[IntEnum]] = {
    $options
}
'''
    options = STRUCTS["eplb_options"]["fields"].items()
    return fill(
        template,
        names=[f'"{name}",' for name in sorted(PYTHON_ENUM_NAMES.values())],
        classes=python_enum_classes(),
        options=[f'"{field}": {PYTHON_ENUM_NAMES[is_["enum"]]},' for field, is_ in options if "enum" in is_],
    )


def files():
    return {
        "rust/eplb-sys/src/header.rs": rust_header(),
        "rust/eplb-sys/src/layout_test.rs": rust_layout_test(),
        "rust/eplb/src/enums.rs": rust_enums(),
        "go/constants.go": go_constants(),
        "go/raw.h": go_raw_h(),
        "go/raw.c": go_raw_c(),
        "csharp/Eplb/Native.cs": csharp_native(),
        "csharp/Eplb/Enums.cs": csharp_enums(),
        "csharp/Eplb/Defaults.cs": csharp_defaults(),
        "python/eplb/_header.py": python_header(),
        "python/eplb/_enums.py": python_enums(),
    }


def main():
    only_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not only_check:
        sys.exit(__doc__)
    differ = False
    for name, lines in files().items():
        path, text = BINDINGS / name, "\n".join(lines) + "\n"
        before = path.read_text() if path.exists() else ""
        if before == text:
            continue
        differ = True
        if only_check:
            difference = difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, "made from eplb.h")
            sys.stdout.writelines(difference)
        else:
            path.write_text(text)
            print(f"bindings/{name} was written")
    if only_check and differ:
        sys.exit("The bindings are not what eplb.h says: build the target update_abi.")


if __name__ == "__main__":
    main()
