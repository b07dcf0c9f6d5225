# SPDX-License-Identifier: MIT
"""The pages, README.md and docs/*.md, and what is in them."""

import pathlib
import re
import sys
from dataclasses import dataclass

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PAGES = [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]


@dataclass
class Block:
    """A block of code."""

    line: int
    info: str  # the language and what else stands behind the fence
    text: str
    before: str  # the text from the block before to this one

    @property
    def file(self):
        """The file that the reader is told to put it into."""
        told = re.findall(r"[Pp]ut\s+this\s+into\s+`([^`]+)`", self.before)
        return told[-1] if told else None


def split(page):
    """The blocks of a page, and its text without them. Code that is not fenced is an error."""
    blocks, prose, before, fence = [], [], [], None
    in_list = after_empty = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is not None and line != "```":
            fence.text += line + "\n"
        elif fence is not None:
            blocks.append(fence)
            before, fence = [], None
        elif line.startswith("```"):
            info = line[3:].strip().removeprefix("text")  # rustdoc takes what has no language for Rust
            fence = Block(number, info, "", "\n".join(before))
        else:
            in_list = bool(re.match(r"- |\d+\. ", line)) or in_list and line[:1] in ("", " ")
            if line.startswith("    ") and after_empty and not in_list:
                sys.exit(f"{page.name}:{number}: indented code; fence it, and say what it is")
            before.append(line)
            prose.append(line)
        after_empty = not line
    if fence is not None:
        sys.exit(f"{page.name}:{fence.line}: the block has no end")
    return blocks, "\n".join(prose)
