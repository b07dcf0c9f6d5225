# SPDX-License-Identifier: MIT
"""The pages, README.md and docs/*.md, and what is in them."""

import pathlib
import re
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
    blocks, prose, since, fence = [], [], [], None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is not None:
            if line == "```":
                blocks.append(Block(*fence, "".join(code), "\n".join(since)))
                fence, since = None, []
            else:
                code.append(line + "\n")
        elif line.startswith("```"):
            fence, code = (number, line[3:].strip()), []
        else:
            if re.match(" {4}", line) and not since[-1:] == [""] or not line.startswith("    "):
                since.append(line)
                prose.append(line)
            elif any(re.match(r"(-|\d+\.) ", text) for text in since[-4:]):
                prose.append(line)
            else:
                raise SystemExit(f"{page.name}:{number}: indented code; fence it, and say what it is")
    if fence is not None:
        raise SystemExit(f"{page.name}:{fence[0]}: the block has no end")
    return blocks, "\n".join(prose)
