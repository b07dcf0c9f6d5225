#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every block of code of the pages is proven by a test.

blocks.py                         checks that each has one, and proves those that need nothing to be run
blocks.py PAGE BUILD STAGE WORK   runs a page: its blocks of sh in order, and the files that it tells to write; compares
                                  what it says is printed
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from pages import PAGES, SOURCE, split

# Blocks of a language that are proven by the tests of a binding, and the file that does.
BINDINGS = {
    ("python.md", "python"): "bindings/python/tests/test_docs.py",
    ("go.md", "go"): "bindings/go/page_test.go",
    ("csharp.md", "csharp"): "bindings/csharp/CMakeLists.txt",
    ("rust.md", "rust"): "bindings/rust/eplb/src/lib.rs",
    ("rust.md", "rust,no_run"): "bindings/rust/eplb/src/lib.rs",
    ("rust.md", "compile_fail,E0277"): "bindings/rust/eplb/src/lib.rs",
    ("rust.md", "compile_fail,E0382"): "bindings/rust/eplb/src/lib.rs",
    ("rust.md", "compile_fail,E0502"): "bindings/rust/eplb/src/lib.rs",
}
# What a page needs to be run, beside the library.
NEEDS = {
    "go.md": ["go"],
    "rust.md": ["cargo"],
    "csharp.md": ["mcs", "mono"],
    "benchmarks.md": ["eplb_bench", "eplb_bench_stages_avx2"],
}
# Modules of Python that it needs.
MODULES = {"python.md": "setuptools, wheel, pip, torch", "formats.md": "numpy"}


def dedent(text):
    return re.sub(r"^[ \t]+", "", text, flags=re.MULTILINE)


def texts(*patterns):
    return [dedent(file.read_text()) for pattern in patterns for file in SOURCE.glob(pattern)]


def is_proven(page, block, runs):
    """Whether a test proves a block; `runs`: the page has commands before it."""
    language = block.info.split(" ")[0]
    if (page.name, language) in BINDINGS:
        return f"docs/{page.name}" in (SOURCE / BINDINGS[page.name, language]).read_text()
    if language == "sh" or block.file:
        return True
    if language == "c":
        return any(dedent(block.text) in program for program in texts("docs/examples/*.c"))
    if language == "diff":
        return page.name == "python.md"
    if language:
        return False
    if page.name == "errors.md":  # in errors.py
        return "\n## EPLB_" in block.before
    if page.name == "design.md":
        return all((SOURCE / line.split()[0]).exists() for line in block.text.splitlines())
    comment = "".join(f"// {line}\n" for line in block.text.splitlines())
    return runs or any(comment in program for program in texts("bindings/go/*_test.go"))


def check():
    failed = False
    for page in PAGES:
        blocks, _ = split(page)
        for at, block in enumerate(blocks):
            if not is_proven(page, block, at > 0 and blocks[at - 1].info == "sh"):
                print(f"{page.name}:{block.line}: no test proves this block of {block.info or 'text'}")
                failed = True
            if block.file and not any(later.info == "sh" for later in blocks[at:]):
                print(f"{page.name}:{block.line}: no command uses {block.file}")
                failed = True
    return failed


CMAKE = """#!/bin/sh
# What takes minutes has been done: the build of the library is the one that these tests are in.
case $1 in
  -S) if [ -f "$2/include/eplb/eplb.h" ]; then ln -sfn '{build}' "$4"; exit; fi ;;
  --preset) for folder in build build-core; do ln -sfn '{build}' $folder; done && exit ;;
  --build)
    if [ "$2" = --preset ]; then exit; fi
    if [ -L "$2" ]; then
      if [ "$3" = --target ]; then '{cmake}' --build "$2" --target help | grep -w "$4" > /dev/null; fi
      exit
    fi ;;
  --install) mkdir -p "$(dirname "$4")" && ln -sfn '{stage}' "$4"; exit ;;
esac
exec '{cmake}' "$@"
"""
CTEST = """#!/bin/sh
# This is one of the tests: they are named, not run.
exec '{ctest}' -N "$@"
"""
DPKG_QUERY = """#!/bin/sh
# A test installs nothing: what is missing has been said when this build was made.
echo 'install ok installed'
"""
PYTHON = """#!/bin/sh
exec '{python}' "$@"
"""
PIP = """#!/bin/sh
# Without the network, and into a directory of this test's own.
command=$1
shift
case $command in
  wheel) exec '{python}' -m pip wheel --quiet --no-index --no-build-isolation "$@" ;;
  install) exec '{python}' -m pip install --quiet --no-index --no-deps --target '{work}/site' "$@" ;;
esac
exit 1
"""


def script_of(page, work):
    """A shell script that does what the page says. The output of block N goes to out.N."""
    blocks, _ = split(page)
    lines = []
    for number, block in enumerate(blocks):
        if block.file and block.info != "sh":
            (work / f"block.{number}").write_text(block.text)
            lines += [f'mkdir -p "$(dirname {block.file})" && cp {work}/block.{number} {block.file} || exit 1']
        elif block.info == "diff":
            added = "\n".join(line[1:] for line in block.text.splitlines() if line.startswith("+"))
            lines += [f"'{sys.executable}' -c '{added}' || exit 1"]
        elif block.info == "sh":
            commands = block.text.replace("/opt/eplb", f"{work}/prefix").replace("/usr/local", f"{work}/prefix")
            lines += ["{", *(f"{line}\n[ $? = 0 ] || exit 1" for line in commands.splitlines()), f"}} > {work}/out.{number}"]
    return "\n".join(lines) + "\n"


def find_missing(page, script, path, build):
    """What a page needs and this machine does not have."""
    needs = NEEDS.get(page.name, []) + (["eplb"] if re.search(r"^eplb ", script, re.MULTILINE) else [])
    missing = [need for need in needs if not shutil.which(need, path=f"{path}:{build}/tests/bench")]
    if modules := MODULES.get(page.name):
        imports = subprocess.run([sys.executable, "-c", f"import {modules}"], check=False, capture_output=True)
        missing += [f"Python with {modules}"] if imports.returncode else []
    return missing


def environment_of(path, stage, work):
    header = hashlib.sha256((SOURCE / "include/eplb/eplb.h").read_bytes()).hexdigest()
    home = pathlib.Path.home()
    return {
        "PATH": path,
        "HOME": f"{work}/home",
        "LD_LIBRARY_PATH": f"{stage}/lib",
        "PKG_CONFIG_PATH": f"{stage}/lib/pkgconfig",
        "PYTHONPATH": f"{work}/site:{SOURCE}/bindings/python",
        "PYTHONDONTWRITEBYTECODE": "1",
        "BENCHMARK_MIN_TIME": "0.001",  # what it prints is for people to look at
        "BENCHMARK_FILTER": "plan/[a-z0-9-]*/deepseek-v3:58x256-288/32/threads|^stage/.*/256-288/32",
        "CARGO_NET_OFFLINE": "true",
        "CARGO_HOME": os.environ.get("CARGO_HOME", f"{home}/.cargo"),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", f"{home}/.rustup"),
        "CARGO_TARGET_DIR": f"{work.parent}/cargo",
        "GOCACHE": f"{work.parent}/go",
        "GOPATH": f"{work}/gopath",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=mod -buildvcs=false",
        "CGO_CPPFLAGS": f"-DEPLB_HEADER_{header}",  # Go does not look whether a header has changed
    }


def not_of_source(folder, names):
    """What is not to be copied: builds, and what tools have left."""
    left = {".git", "target", "__pycache__"}
    return [name for name in names if name in left or pathlib.Path(folder, name, "CMakeCache.txt").exists()]


def compare(page, work):
    """Whether blocks without a language, behind commands, are what these printed."""
    failed = False
    blocks, _ = split(page)
    for number, block in enumerate(blocks[1:]):  # number: that of the block before
        if block.info or blocks[number].info != "sh":
            continue
        printed = re.sub(r" +$", "", (work / f"out.{number}").read_text(), flags=re.MULTILINE)
        if f"\n{block.text}" not in f"\n{printed}":
            print(f"{page.name}:{block.line}: this is not what was printed:\n{printed}")
            failed = True
    return failed


def is_run_beside(page):
    """Whether the page's commands are for the folder that the repository is in, not for the repository itself."""
    return any("libeplb" in block.text for block in split(page)[0] if block.info == "sh")


def run(page, build, stage, work):
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    (work / "home").mkdir()
    script = script_of(page, work)
    found = {name: shutil.which(name) for name in ("cmake", "ctest")}
    for name, text in {"cmake": CMAKE, "ctest": CTEST, "dpkg-query": DPKG_QUERY, "python3": PYTHON, "pip": PIP}.items():
        tool = work / "bin" / name
        tool.write_text(text.format(build=build, stage=stage, work=work, python=sys.executable, **found))
        tool.chmod(0o755)
    path = f"{work}/bin:{stage}/bin:{os.environ['PATH']}"
    if missing := find_missing(page, script, path, build):
        print(f"skipped: no {', no '.join(missing)}")
        return False
    shutil.copytree(SOURCE, work / "libeplb", ignore=not_of_source)
    start = work if is_run_beside(page) else work / "libeplb"
    if subprocess.run(["sh", "-c", script], cwd=start, env=environment_of(path, stage, work), check=False).returncode:
        print(*(output.read_text() for output in sorted(work.glob("out.*"))), sep="")
        return True
    return compare(page, work)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(check())
    sys.exit(run(*(pathlib.Path(argument) for argument in sys.argv[1:])))
