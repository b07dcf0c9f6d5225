#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rule by which the interface grows, by abidiff: functions may be added, fields at the end of structs, and values
at the end of enums. Nothing else may happen between a kept header and today's. The library as it was built, with debug
information, is today's header's. And abidiff is shown to notice whatever breaks the rule.

    diff.py ABIDIFF CXX HEADER LIBRARY MAP KEPT...
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

abidiff, cxx, header, library, version_script, *kept = sys.argv[1:]
work = tempfile.TemporaryDirectory()
failures = []


def bare(path):
    """A header without its comments."""
    return re.sub(r"/\*.*?\*/", "", Path(path).read_text(), flags=re.S)


def make_library(name, text):
    """A library with the interface of a header: a function for each declaration, and for each enum, which no function
    names, a variable."""
    enums = "".join(f"EPLB_API enum {e} eplb_every_{e};\n" for e in re.findall(r"enum (\w+) {", text))
    functions = re.sub(r"(EPLB_API[^;]*\));", r"\1 {}", text)
    source, made = Path(work.name, name + ".cpp"), Path(work.name, name + ".so")
    source.write_text(f'{functions}\nextern "C" {{\n{enums}}}\n')
    subprocess.run([cxx, "-g", "-w", "-shared", "-fPIC", f"-Wl,--version-script={version_script}", source, "-o", made],
                   check=True)
    return made


def compare(old, new, *arguments):
    """What abidiff has to say, a line each."""
    command = [abidiff, "--leaf-changes-only", "--harmless", *arguments, old, new]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode & 3:
        sys.exit(f"abidiff failed: {command}\n{result.stdout}")
    return result.stdout.splitlines() if result.returncode else []


def find_break(old, new):
    """The first thing that breaks the rule: what abidiff says beyond these sentences. A suppression file could not say
    the rule: one for fields inserted at the end also hides fields that change beside them, or by themselves."""
    old_size = None
    for line in compare(old, new, "--no-added-syms"):
        grown = re.fullmatch(r"  type size changed from (\d+) to (\d+) \(in bits\)", line)
        field = re.fullmatch(r"    '.*', at offset (\d+) \(in bits\) at \S+", line)
        if re.fullmatch(r"'(struct|enum) eplb_\w+ at \S+' changed:", line):
            old_size = None
        elif grown and int(grown[2]) > int(grown[1]):
            old_size = int(grown[1])
        elif field and old_size and int(field[1]) >= old_size:
            pass
        elif not re.fullmatch(r"|  type size hasn't changed|  \d+ (data member|enumerator) insertions?:"
                              r"|    'eplb_\w+::EPLB_\w+' value '\d+'|(Leaf changes|Changed leaf types) summary: .*"
                              r"|Removed/Changed/Added (functions|variables) summary: 0 Removed, 0 Changed, .*", line):
            return line.strip()
    return None


def expect(what, *replacements, accepted):
    """Alters the header: each `old` in it becomes `new`."""
    text = today_text
    for old, new in replacements:
        if old not in text:
            failures.append(f"{what}: the header does not say {old!r}")
        text = text.replace(old, new)
    found = find_break(today, make_library("altered", text))
    if (found is None) != accepted:
        failures.append(f"{what} is {found or 'accepted'}")


def accept(what, *replacements):
    expect(what, *replacements, accepted=True)


def refuse(what, *replacements):
    expect(what, *replacements, accepted=False)


today_text = bare(header)
today = make_library("today", today_text)
for path in kept:
    if found := find_break(make_library("kept", bare(path)), today):
        failures.append(f"Programs that were built with {path} would break: {found}\n"
                        "If that is meant, raise EPLB_ABI in src/CMakeLists.txt, and keep a header for the new number.")

# The real library. Its SONAME is another test's.
ignored = Path(work.name, "ignored")
ignored.write_text("[suppress_variable]\n  symbol_name_regexp = ^eplb_every_\n")
said = [line for line in compare(today, library, "--suppressions", ignored) if re.match(" +", line)]
if said:
    failures.append("\n".join(["The library is not as its header says.", *said]))

# abidiff sees each function and each struct of it.
functions = re.findall(r"EPLB_CALL\s+(\w+)\(", today_text)
structs = re.findall(r"} (\w+);", today_text)
text = re.sub(r"(EPLB_CALL\s+\w+\()(void(?=\)))?", lambda m: m[1] + ("int32_t more" if m[2] else "int32_t more, "),
              today_text)
said = "\n".join(compare(library, make_library("altered", text)))
failures += [f"another parameter of {f} is accepted" for f in functions
             if not re.search(rf"'function .*\b{f}\(.*\)' at .* some (indirect )?sub-type changes", said)]
said = "\n".join(compare(library, make_library("altered", re.sub("uint32_t +struct_size;", "double size;", today_text))))
failures += [f"another first field of {s} is accepted" for s in structs if f"'struct {s} at " not in said]
print(f"abidiff sees {len(functions)} functions and {len(structs)} structs")

# The rule.
name_of = "EPLB_API const char* EPLB_CALL eplb_status_name(eplb_status status);"
accept("no change")
accept("a function more", (name_of, name_of + "EPLB_API int32_t EPLB_CALL eplb_more(void);"))
accept("a field more at the end", ("} eplb_stats;", "double more; } eplb_stats;"))
accept("a value more", ("EPLB_LOG_DEBUG   = 3", "EPLB_LOG_DEBUG = 3, EPLB_LOG_MORE = 4"))
refuse("a field more in the middle", ("int32_t  policy;", "int32_t policy; int32_t more;"))
refuse("a field less", ("int64_t  changes;", ""))
refuse("a field less and one more", ("int64_t  changes;", "char more;"))
refuse("two fields in another order", ("int64_t  empty_layers;", ""), ("int64_t  duplicates;",
                                                                     "int64_t duplicates; int64_t empty_layers;"))
refuse("a field of another type", ("int64_t  changes;", "double changes;"))
refuse("a field of another sign", ("int32_t  num_gpus;", "uint32_t num_gpus;"))
refuse("a field of another name", ("int64_t  changes;", "int64_t changed;"))
refuse("a field more and another changed", ("} eplb_stats;", "double more; } eplb_stats;"),
       ("int64_t  duplicates;", "double duplicates;"))
refuse("a longer array", ("message[504]", "message[1016]"))
refuse("another value", ("EPLB_LOG_DEBUG   = 3", "EPLB_LOG_DEBUG = 4"))
refuse("a value in the middle", ("EPLB_LOG_DEBUG   = 3", "EPLB_LOG_MORE = 3, EPLB_LOG_DEBUG = 4"))
refuse("a value less", ("EPLB_LOG_INFO    = 2,", ""))
refuse("a function less", (name_of, ""))
refuse("another argument", (name_of, name_of.replace("eplb_status status", "int64_t status")))
refuse("another result", ("EPLB_API int32_t EPLB_CALL eplb_version", "EPLB_API int64_t EPLB_CALL eplb_version"))
refuse("another argument of a callback", ("void* user, int64_t done", "void* user, int32_t done"))
refuse("another status", ("typedef int32_t eplb_status;", "typedef int64_t eplb_status;"))

print("\n".join(failures))
sys.exit(bool(failures))
