#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""errors.py PROGRAM: docs/errors.md has every status in order, what the library says of it, and the sentences that PROGRAM
provokes."""

import re
import subprocess
import sys

from pages import SOURCE


def same(text):
    """Without the numbers that follow from sizes inside the library."""
    return re.sub(r"\d+(?= bytes)|(?<=at byte )\d+|(?<=version )[\d.]+\d", "N", text)


def main():
    printed = subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout
    examples, statuses = ([line.split("\t") for line in part.splitlines()] for part in printed.split("\n\n"))
    page = (SOURCE / "docs/errors.md").read_text()
    sections = re.split(r"^## (EPLB_\w+)$", page, flags=re.MULTILINE)[1:]
    failed = sections[::2] != [status for status, _ in statuses]
    if failed:
        print("the sections of docs/errors.md are not", *(status for status, _ in statuses))
    text_of = dict(zip(sections[::2], sections[1::2]))
    for status, about in statuses:
        wanted = "".join(f"{sentence}\n" for of, sentence in examples if of == status)
        wanted = f"\n\n{about}\n\n" + (f"```\n{wanted}```\n" if wanted else "")
        if not same(text_of.get(status, "")).startswith(same(wanted)):
            print(f"{status} does not begin with{wanted}")
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
