#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the raw layers of the bindings from the description of eplb.h, tests/abi/layout.json.

  generate.py          writes every file that is not as it should be
  generate.py --check  only tells the differences, and fails if there are any

`files()` at the end says what is made. What people of a language use lies on top of it, and is written by hand. A
declaration of the header that has no form here is an error.
"""

import difflib
import json
import re
import sys
import textwrap
from pathlib import Path

BINDINGS = Path(__file__).resolve().parent
HEADER = json.loads((BINDINGS / "../tests/abi/layout.json").read_text())
ENUMS, STRUCTS, FUNCTIONS = HEADER["enums"], HEADER["structs"], HEADER["functions"]
WIDTH = 120
MADE = "Made from eplb.h by bindings/generate.py."

# Where an enumeration is not called as in C in all languages.
ENUM_NAMES = {"eplb_status_code": "Status", "eplb_type": "ElementType"}
ENUM_OF_CONSTANT = {constant: enum for enum, e in ENUMS.items() for constant in e["values"]}


def words_of(constant):
    """['swap', 'any'] of EPLB_STRATEGY_LPT_SWAP_ANY: what is left without the words of its enumeration."""
    words, known = constant.lower().split("_"), ENUM_OF_CONSTANT[constant].split("_")
    while len(words) > 1 and known and words[0] == known.pop(0):
        del words[0]
    return words


def member_words(constant):
    """The words of a constant as a member of its type; whether a status is an error is in no name but C's and Go's."""
    words = words_of(constant)
    return words[1:] if words[0] == "error" else words


def pascal(words, special={}):
    return "".join(special.get(word, word.capitalize()) for word in words)


def enum_name(c_name):
    return ENUM_NAMES.get(c_name) or pascal(c_name.split("_")[1:])


def are_flags(c_name):
    """Whether an enumeration's values are put together with |, in an unsigned parameter."""
    return any(p.get("enum") == c_name and p["type"] == "uint32_t" for f in FUNCTIONS for p in f["parameters"])


def prose(text, refer):
    """A comment of the header in which what it names is called by `refer` as the language has it."""
    return re.sub(r"(?:@ref )?\b((?:eplb|EPLB)_\w+)(?:\(\))?", lambda m: refer(m.group(1)), text)


def comment(text, prefix):
    """Lines of a comment; `prefix` has its indentation."""
    return [prefix + line for line in textwrap.wrap(text, WIDTH - len(prefix), break_long_words=False)]


def wrap_items(items, end, indent):
    """Items with commas between them, on as many lines as it takes, none of them broken."""
    text = ", ".join(item.replace(" ", "\0") for item in items) + end
    lines = textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False)
    return [line.replace("\0", " ") for line in lines]


def fail(what):
    sys.exit(f"generate.py: {what} has no form here; teach it")


def pointed_to(c_type):
    """'eplb_shape' of 'const eplb_shape*'; None if it is no pointer."""
    return c_type[:-1].removeprefix("const ").strip() if c_type.endswith("*") else None


def array_of(c_type):
    """('char', 504) of 'char[504]'."""
    match = re.fullmatch(r"(\w+)\[(\d+)\]", c_type)
    return match and (match[1], int(match[2]))


def translate(c_type, scalars, pointer):
    """A type by a table of scalars and a function (target, is const) for pointers. Ours keep their names."""
    if c_type in scalars:
        return scalars[c_type]
    target = pointed_to(c_type)
    if target is not None:
        return pointer(translate(target, scalars, pointer), c_type.startswith("const "))
    if c_type.startswith("eplb_"):
        return c_type
    return fail(f"the type {c_type}")


# ---------------------------------------------------------------------------------------------------- Rust

RUST_SCALARS = {
    "int32_t": "i32", "uint32_t": "u32", "int64_t": "i64", "uint64_t": "u64", "size_t": "usize",
    "float": "f32", "double": "f64", "char": "c_char", "void": "c_void",
}  # fmt: skip
RUST_KEYWORDS = {"type"}


def rust_type(c_type):
    if array_of(c_type):
        return "[{}; {}]".format(rust_type(array_of(c_type)[0]), array_of(c_type)[1])
    return translate(c_type, RUST_SCALARS, lambda to, const: f"*{'const' if const else 'mut'} {to}")


def rust_name(name):
    return "r#" + name if name in RUST_KEYWORDS else name


def rust_function(f, indent):
    parameters = [f"{rust_name(p['name'])}: {rust_type(p['type'])}" for p in f["parameters"]]
    result = ";" if f["returns"] == "void" else f" -> {rust_type(f['returns'])};"
    line = f"{indent}{f['name']}({', '.join(parameters)}){result}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{indent}{f['name']}("] + [f"{indent}    {p}," for p in parameters] + [f"{indent}){result}"]


def rust_header():
    out = ["// SPDX-License-Identifier: MIT", f"// {MADE}", ""]
    out += [
        "use std::os::raw::{c_char, c_void};",
        "",
        "/// 0 on success, otherwise another of the `EPLB_...` constants below.",
    ]
    out += ["pub type eplb_status = i32;", "", "declare! {", "    handles {"]
    out += [f"        {handle};" for handle in HEADER["handles"]]
    out += ["    }", "    constants {"]
    for name, value in HEADER["constants"].items():
        out.append(f"        {name} = {value};")
    for enum in ENUMS.values():
        out += [f"        {constant} = {c['value']};" for constant, c in enum["values"].items()]
    out += ["    }", "    callbacks {"]
    for f in HEADER["callbacks"]:
        out += rust_function(f, " " * 8)
    out += ["    }", "    structs {"]
    for name, struct in STRUCTS.items():
        out.append(f"        {name} {{")
        for field, is_ in struct["fields"].items():
            out.append(f"            {rust_name(field)}: {rust_type(is_['type'])},")
        out.append("        }")
    out += ["    }", "    functions {"]
    for f in FUNCTIONS:
        out += rust_function(f, " " * 8)
    return out + ["    }", "}"]


def rust_layout_test():
    out = ["// SPDX-License-Identifier: MIT", f"// {MADE}"]
    out += [
        "//! Where a C compiler puts the fields of each struct, and what the library writes into them by default.",
        "",
    ]
    out += ["use crate::*;", "", "#[test]", "fn structs_are_as_c_has_them() {", '    load().expect("the library");']
    for name, struct in STRUCTS.items():
        out.append(f"    is_laid_out! {{ {name}, {name}_init, {struct['size']} bytes,")
        for field, is_ in struct["fields"].items():
            line = f"        {rust_name(field)}: {is_['size']} bytes at {is_['offset']}"
            if isinstance(is_["default"], (int, float)):
                line += (
                    f", by default {float(is_['default']) if is_['type'] in ('float', 'double') else is_['default']}"
                )
            out.append(line + ";")
        out.append("    }")
    return out + ["}"]


def rust_enums():
    names = {**ENUM_NAMES, "eplb_check_flag": "CheckFlags"}
    types = {c_name: names.get(c_name, enum_name(c_name)) for c_name in ENUMS if c_name != "eplb_type"}
    out = ["// SPDX-License-Identifier: MIT", f"// {MADE}"]
    out += ["//! The enumerations of the header; those of element types are types of Rust.", ""]
    out += ["use crate::values::open_enum;"]
    for c_name, name in types.items():

        def refer(to):
            if to in ENUM_OF_CONSTANT:
                member = "_".join(member_words(to)).upper()
                return f"[`{member}`](Self::{member})"
            plain = to.removeprefix("eplb_")
            plain = pascal([plain]) if to in STRUCTS else types.get(to, plain)
            return f"[`{plain}`](crate::{plain})"

        out += ["", "open_enum! {"] + comment(prose(ENUMS[c_name]["doc"], refer), "    /// ")
        out.append(f"    pub struct {name} {{")
        for constant, c in ENUMS[c_name]["values"].items():
            out += comment(prose(c["doc"], refer), "        /// ")
            out.append(f"        {'_'.join(member_words(constant)).upper()} = {constant},")
        out += ["    }", "}"]
    return out


# ---------------------------------------------------------------------------------------------------- Go

GO_WORDS = {"lpt": "LPT", "cpu": "CPU", "cuda": "CUDA", "minmax": "MinMax", "error": "Err"}
# What a type is for in Go beyond what the header says of it.
GO_ALSO = {
    "eplb_status_code": "Each value is an error of its own, so that errors.Is(err, eplb.ErrInvalidLoad) tells what went"
    " wrong.",
}


def go_constant(constant):
    """StrategyLPTSwapAny, SwapAnyAny, ErrCUDA: with the words that a constant shares with its enumeration."""
    shared = constant.lower().split("_")[1 : -len(words_of(constant))]
    return pascal(shared + words_of(constant), GO_WORDS)


def go_enum_name(c_name):
    return "Type" if c_name == "eplb_type" else enum_name(c_name)


def go_refer(to):
    if to in ENUM_OF_CONSTANT:
        return go_constant(to)
    return go_enum_name(to) if to in ENUMS else pascal(to.split("_")[1:], GO_WORDS)


def go_constants():
    out = ["// SPDX-License-Identifier: MIT", f"// {MADE}", "", "package eplb", ""]
    out += comment("Version of the library's header that this package is written against, as major*10000 + minor*100 + "
                   "patch. A library that is older is refused.", "// ")  # fmt: skip
    version = ["Version" + part for part in ("Major", "Minor", "Patch")]
    out += ["const ("]
    out += [f"\t{name} = {number}" for name, number in zip(version, HEADER["version"].split("."))]
    out += ["\tVersion      = VersionMajor*10000 + VersionMinor*100 + VersionPatch", ")"]
    for c_name, enum in ENUMS.items():
        name = go_enum_name(c_name)
        doc = prose(enum["doc"], go_refer)
        also = GO_ALSO.get(c_name)
        out += [""] + comment(f"{name} is {doc[0].lower()}{doc[1:]}{' ' + also if also else ''}", "// ")
        out += [f"type {name} {'uint32' if are_flags(c_name) else 'int32'}", "", "const ("]
        rows = [(go_constant(c), str(v["value"]), prose(v["doc"], go_refer)) for c, v in enum["values"].items()]
        widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
        lines = [f"\t{n:{widths[0]}} {name} = {v:{widths[1]}} // {d}" for n, v, d in rows]
        if max(map(len, lines)) + 3 > WIDTH:  # a tab has 4 columns
            lines = []
            for n, v, d in rows:
                lines += [line.replace("    ", "\t", 1) for line in comment(d, "    // ")]
                lines.append(f"\t{n} {name} = {v}")
        out += lines + [")"]
    return out


# Of the functions that Go calls through one function of C: not the one that may come beside another call.
GO_FUNCTIONS = [
    f
    for f in FUNCTIONS
    if f["name"] != "eplb_poll" and any(p["name"] in ("context", "shape", "options") for p in f["parameters"])
    and f["returns"] == "eplb_status" and not f["name"].endswith("_init")
]  # fmt: skip
GO_POINTERS = {"void": "char"}


def go_arrays():
    """(struct, field, type, is const) of each field that points to an array of the caller's."""
    for name, struct in STRUCTS.items():
        for field, is_ in struct["fields"].items():
            if field + "_count" in struct["fields"]:
                target = pointed_to(is_["type"]) or fail(f"{name}.{field}, an array")
                yield name, field, GO_POINTERS.get(target, target)


def go_is_written(struct):
    """Whether calls write into a struct; into the arrays of the others at most."""
    return any(p["type"] == struct + "*" for f in GO_FUNCTIONS for p in f["parameters"])


def go_is_optional(struct):
    return go_is_written(struct) and struct != "eplb_error"


def go_scalars():
    """{name: type} of the parameters that are no structs."""
    out = {}
    for f in GO_FUNCTIONS:
        for p in f["parameters"]:
            target = pointed_to(p["type"])
            if p["name"] == "context" or target in STRUCTS:
                continue
            c_type = p["type"] if target in (None, "void") else target
            if p["type"].startswith("const ") or out.setdefault(p["name"], c_type) != c_type:
                fail(f"the parameter {p['name']} of {f['name']}")
    return out


def go_raw_h():
    out = ["/* SPDX-License-Identifier: MIT */", f"/* {MADE} */"]
    out += ["#ifndef EPLB_GO_RAW_H", "#define EPLB_GO_RAW_H", "", "#include <eplb/eplb.h>", ""]
    out += ["/* What the functions take, but for arrays. */", "typedef struct eplb_go_arguments {"]
    out += ["  eplb_context* context;"] + [f"  {name} {name[5:]};" for name in STRUCTS]
    out += [
        f"  int32_t wants_{name[5:]}; /* 0: the call gets NULL for it. */" for name in STRUCTS if go_is_optional(name)
    ]
    out += [f"  {c_type} {name};" for name, c_type in go_scalars().items()]
    out += ["} eplb_go_arguments;", ""]
    out += [
        "/* The arrays that structs point to. Those of any type are char* here: with void* the runtime would look for Go"
    ]
    out += [" * pointers in whatever the array is a part of. */", "typedef struct eplb_go_arrays {"]
    out += [f"  {c_type}* {field};" for _, field, c_type in go_arrays()] + ["} eplb_go_arrays;", ""]
    out += ["typedef enum eplb_go_function {"]
    out += ["  " + ",\n  ".join(go_function(f) for f in GO_FUNCTIONS), "} eplb_go_function;", ""]
    out += ["/* All structs at their defaults. */", "void eplb_go_init(eplb_go_arguments* a);", ""]
    out += ["/* Calls a function. C keeps no pointer to an array. */"]
    out += ["eplb_status eplb_go_do(eplb_go_arguments* a, eplb_go_function function, eplb_go_arrays arrays);", ""]
    return out + ["#endif /* EPLB_GO_RAW_H */"]


def go_function(f):
    return f["name"].upper().replace("EPLB_", "EPLB_GO_", 1)


def go_raw_c():
    written = [name for name in STRUCTS if go_is_written(name)]
    read = [name for name in STRUCTS if name not in written and any(s == name for s, _, _ in go_arrays())]
    out = ["/* SPDX-License-Identifier: MIT */", f"/* {MADE} */", '#include "raw.h"', "", "#include <stddef.h>"]
    out += ["", "void eplb_go_init(eplb_go_arguments* a) {"]
    out += [f"  {name}_init(&a->{name[5:]}, sizeof a->{name[5:]});" for name in STRUCTS] + ["}", ""]
    out += ["eplb_status eplb_go_do(eplb_go_arguments* a, eplb_go_function function, eplb_go_arrays arrays) {"]
    out += [f"  {name} {name[5:]} = a->{name[5:]};" for name in read]
    out += ["  eplb_status status = EPLB_ERROR_INTERNAL;", ""]
    for struct, field, _ in go_arrays():
        out.append(f"  {'a->' * (struct in written)}{struct[5:]}.{field} = arrays.{field};")
    out += ["", "  switch (function) {"]
    for f in GO_FUNCTIONS:
        head = f"      status = {f['name']}("
        arguments = wrap_items([go_argument(p, read) for p in f["parameters"]], ");", " " * len(head))
        out += [f"    case {go_function(f)}:", head + arguments[0].lstrip(), *arguments[1:], "      break;"]
    out += ["  }", ""]
    out += [f"  a->{s[5:]}.{field} = NULL;" for s, field, _ in go_arrays() if s in written]
    return out + ["  return status;", "}"]


def go_argument(p, read):
    target = pointed_to(p["type"])
    if p["name"] == "context":
        return "&a->context" if target.endswith("*") else "a->context"
    if target in (None, "void"):
        return f"a->{p['name']}"
    if target not in STRUCTS:
        return f"&a->{p['name']}"
    name = target[5:]
    if go_is_optional(target):
        return f"a->wants_{name} ? &a->{name} : NULL"
    return f"&{name}" if target in read else f"&a->{name}"


# ---------------------------------------------------------------------------------------------------- C#

CSHARP_SCALARS = {
    "int32_t": "int", "uint32_t": "uint", "int64_t": "long", "uint64_t": "ulong", "size_t": "UIntPtr",
    "float": "float", "double": "double", "char": "byte", "void": "void", "eplb_status": "Status",
}  # fmt: skip


def csharp_type(is_, key="type"):
    if "enum" in is_:
        return enum_name(is_["enum"])
    return translate(is_[key], CSHARP_SCALARS, lambda to, const: to + "*")


def csharp_parameters(f):
    return [f"{csharp_type(p)} {p['name']}" for p in f["parameters"]]


def csharp_native():
    out = ["// SPDX-License-Identifier: MIT", f"// {MADE}", "using System;", "using System.Runtime.InteropServices;"]
    out += [
        "",
        "// The C names are kept, so that eplb.h is the manual of this file; a second one here would only grow stale.",
    ]
    out += ["#pragma warning disable 1591", "", "namespace Eplb.Raw", "{"]
    out += ["    /// <summary>The functions and version constants of eplb.h, as they are there.</summary>"]
    out += ["    public static unsafe partial class Native", "    {"]
    out += [f"        public const int {name} = {value};" for name, value in HEADER["constants"].items()] + [""]
    for f in FUNCTIONS:
        out.append("        [DllImport(Library, CallingConvention = C)]")
        head = f"        public static extern {csharp_type(f, 'returns')} {f['name']}("
        line = head + ", ".join(csharp_parameters(f)) + ");"
        out += [line] if len(line) <= WIDTH else [head] + wrap_items(csharp_parameters(f), ");", " " * 12)
    out.append("    }")
    for f in HEADER["callbacks"]:
        out += ["", f'    /// <summary>What <see cref="eplb_options.{f["name"][5:]}"/> points to.</summary>']
        out += ["    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]"]
        result, parameters = csharp_type(f, "returns"), ", ".join(csharp_parameters(f))
        out.append(f"    public unsafe delegate {result} {f['name']}({parameters});")
    for handle in HEADER["handles"]:
        out += ["", "    /// <summary>Opaque; only pointers to it exist.</summary>"]
        out += [f"    public struct {handle}", "    {", "    }"]
    for name, struct in STRUCTS.items():
        has_callbacks = any(is_["type"].endswith("_fn") for is_ in struct["fields"].values())
        out += [
            "",
            f"    /// <summary>As in eplb.h{'; the callbacks are function pointers' * has_callbacks}.</summary>",
        ]
        out += [f"    public unsafe struct {name}", "    {"]
        for field, is_ in struct["fields"].items():
            array = array_of(is_["type"])
            if array:
                out.append(f"        public fixed {CSHARP_SCALARS[array[0]]} {field}[{array[1]}];")
            else:
                out.append(f"        public {'IntPtr' if is_['type'].endswith('_fn') else csharp_type(is_)} {field};")
        out.append("    }")
    return out + ["}"]


def csharp_refer(to):
    if to in ENUM_OF_CONSTANT:
        return f'<see cref="{enum_name(ENUM_OF_CONSTANT[to])}.{pascal(member_words(to))}"/>'
    name = enum_name(to) if to in ENUMS else pascal(to.split("_")[1:])
    return f'<see cref="{name}"/>' if to in ENUMS or to in STRUCTS else f"<c>{name}</c>"


def csharp_summary(doc, indent):
    text = prose(doc.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), csharp_refer)
    text = re.sub(r"<see cref=", "<see\0cref=", f"<summary>{text}</summary>")  # not to be broken at this space
    return [line.replace("\0", " ") for line in comment(text, indent + "/// ")]


def csharp_enums():
    out = ["// SPDX-License-Identifier: MIT", f"// {MADE}"]
    out += [
        "// EPLB_SWAP_HEAVIEST_ANY is SwapScope.HeaviestAny, EPLB_ERROR_CUDA is Status.Cuda.",
        "namespace Eplb",
        "{",
    ]
    for number, (c_name, enum) in enumerate(ENUMS.items()):
        out += [""] * (number > 0) + csharp_summary(enum["doc"], " " * 4)
        if are_flags(c_name):
            out += ["    [System.Flags]", f"    public enum {enum_name(c_name)} : uint", "    {"]
        else:
            out += [f"    public enum {enum_name(c_name)}", "    {"]
        for constant, c in enum["values"].items():
            out += csharp_summary(c["doc"], " " * 8)
            out.append(f"        {pascal(member_words(constant))} = {c['value']},")
        out[-1] = out[-1][:-1]
        out.append("    }")
    return out + ["}"]


def csharp_defaults():
    out = [
        "// SPDX-License-Identifier: MIT",
        f"// {MADE}",
        "using System;",
        "using Eplb.Raw;",
        "",
        "namespace Eplb",
        "{",
    ]
    out += ["    /// <summary>What the library's init functions write, asked for once: calls copy it. Not before"]
    out += ['    /// <see cref="Library.Load"/>.</summary>', "    internal static unsafe class Defaults", "    {"]
    fields = {c_name: pascal(c_name.split("_")[1:]) for c_name in STRUCTS}
    out += [f"        public static readonly {c_name} {field};" for c_name, field in fields.items()]
    out += ["", "        static Defaults()", "        {"]
    for c_name, field in fields.items():
        variable = c_name[5:]
        out.append(f"            fixed ({c_name}* {variable} = &{field})")
        out.append(f"                Native.{c_name}_init({variable}, (UIntPtr)sizeof({c_name}));")
    return out + ["        }", "    }", "}"]


# ---------------------------------------------------------------------------------------------------- Python

PYTHON_SCALARS = {
    "int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64", "uint64_t": "c_uint64", "size_t": "c_size_t",
    "float": "c_float", "double": "c_double", "char": "c_char", "void": "None",
    "void*": "c_void_p", "const void*": "c_void_p", "char*": "c_char_p", "const char*": "c_char_p",
}  # fmt: skip


def python_type(c_type):
    if array_of(c_type):
        return "{} * {}".format(python_type(array_of(c_type)[0]), array_of(c_type)[1])
    return translate(
        c_type, PYTHON_SCALARS, lambda to, const: "_" + to[5:] if to.startswith("eplb_") else f"POINTER({to})"
    )


def python_header():
    out = ["# SPDX-License-Identifier: MIT", f"# {MADE}"]
    out += ['"""Every constant, callback, struct and function of ``eplb.h`` under its own name."""', ""]
    out += [
        "import ctypes",
        "from ctypes import CFUNCTYPE, POINTER, c_char, c_char_p, c_double, c_float, c_int32, c_int64",
    ]
    out += ["from ctypes import c_size_t, c_uint32, c_uint64, c_void_p", ""]
    out += [f"{name} = {value}" for name, value in HEADER["constants"].items()]
    for enum in ENUMS.values():
        out += [""] + [f"{constant} = {c['value']}" for constant, c in enum["values"].items()]
    out += ["", "eplb_status = c_int32", ""]
    for f in HEADER["callbacks"]:
        types = [python_type(f["returns"])] + [python_type(p["type"]) for p in f["parameters"]]
        out.append(f"{f['name']} = CFUNCTYPE({', '.join(types)})")
    for handle in HEADER["handles"]:
        out += ["", "", f"class {handle}(ctypes.Structure):", '    """Opaque."""']
    for name, struct in STRUCTS.items():
        out += ["", "", f"class {name}(ctypes.Structure):", "    _fields_ = ["]
        out += [f'        ("{field}", {python_type(is_["type"])}),' for field, is_ in struct["fields"].items()]
        out.append("    ]")
    out += ["", ""] + [f"_{name[5:]} = POINTER({name})" for name in [*HEADER["handles"], *STRUCTS]]
    out += ["", "#: Result and parameter types of each function.", "FUNCTIONS = {"]
    for f in FUNCTIONS:
        types = [python_type(p["type"]) for p in f["parameters"]]
        tuple_ = f"({types[0]},)" if len(types) == 1 else f"({', '.join(types)})"
        out.append(f'    "{f["name"]}": ({python_type(f["returns"])}, {tuple_}),')
    out += ["}", "", "#: Default of each field that has another one than 0.", "DEFAULTS = {"]
    for name, struct in STRUCTS.items():
        defaults = {f: is_["default"] for f, is_ in struct["fields"].items() if is_["default"] and f != "struct_size"}
        if defaults:
            out.append(f'    "{name}": {json.dumps(defaults)},')
    return out + ["}"]


def python_enums():
    def refer(to):
        if to in ENUM_OF_CONSTANT:
            return "_".join(member_words(to)).upper()
        return enum_name(to) if to in ENUMS else pascal(to.split("_")[1:])

    out = ["# SPDX-License-Identifier: MIT", f"# {MADE}", '"""The constants of the header as enumerations."""', ""]
    names = {c_name: enum_name(c_name) for c_name in ENUMS if c_name != "eplb_check_flag"}  # arguments of their own
    out += ["from enum import IntEnum", "from typing import Dict, Type", "", "from . import _header as raw", ""]
    out += ["__all__ = ["] + [f'    "{name}",' for name in sorted(names.values())] + ["]"]
    for c_name in names:
        enum = ENUMS[c_name]
        out += ["", "", f"class {enum_name(c_name)}(IntEnum):"]
        doc = textwrap.wrap(prose(enum["doc"], refer), WIDTH - 7)
        out += [f'    """{doc[0]}'] + ["    " + line for line in doc[1:]]
        out[-1] += '"""'
        out.append("")
        for constant, c in enum["values"].items():
            out += comment(prose(c["doc"], refer), "    #: ")
            out.append(f"    {'_'.join(member_words(constant)).upper()} = raw.{constant}")
    out += ["", "", "#: Of the options that have one.", "ENUM_OF_OPTION: Dict[str, Type[IntEnum]] = {"]
    for field, is_ in STRUCTS["eplb_options"]["fields"].items():
        if "enum" in is_:
            out.append(f'    "{field}": {names[is_["enum"]]},')
    return out + ["}"]


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
    differ = False
    for name, lines in files().items():
        path, text = BINDINGS / name, "\n".join(lines) + "\n"
        before = path.read_text() if path.exists() else ""
        if before == text:
            continue
        differ = True
        if "--check" in sys.argv[1:]:
            sys.stdout.writelines(
                difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, "made from eplb.h")
            )
        else:
            path.write_text(text)
            print(f"bindings/{name} was written")
    if differ and "--check" in sys.argv[1:]:
        sys.exit("The bindings are not what eplb.h says: build the target update_abi.")


if __name__ == "__main__":
    main()
