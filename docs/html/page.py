# SPDX-License-Identifier: MIT
"""page.py FILE: a page of Markdown as Doxygen has to see it. Pages are written for a site that hosts code; there, headings
have anchors of themselves, and links name files."""

import html
import pathlib
import re
import sys

FENCE = re.compile(r"^(```[a-z]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"(!?)\[([^\[\]]+)\]\(([^)\s]+)\)")


def slug(heading):
    """The anchor that a site makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def outside_fences(text, change):
    """Changes the text, but for its blocks of code."""
    parts = []
    end = 0
    for block in FENCE.finditer(text):
        parts += [change(text[end : block.start()]), f"{block[1]}\n{block[2]}```"]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def label(page):
    return "index" if page == "README" else page.lower()


def link(match):
    picture, text, target = match.groups()
    text = re.sub(r"\s+", " ", text)  # Doxygen wants it on one line
    file, _, anchor = target.partition("#")
    path = pathlib.PurePath(file or page.name)
    if picture:
        return f'<img src="{path.name}" alt="{text}"/>'
    if "://" in target:
        return match[0]
    if path.suffix == ".md":
        return f"[{text}](@ref {label(path.stem)}{'-' + anchor if anchor else ''})"
    if path.name == "eplb.h":
        return f"[{text}](@ref eplb.h)"
    if path.name == "examples":
        return f"[{text}](examples.html)"
    if path.parent.name == "examples" and path.parent.parent.name in ("", "docs") and path.suffix == ".c":
        return f"[{text}]({path.stem}_8c-example.html)"
    return text if "`" in text else f"`{text}`"  # a source, which is not among the pages


def heading(match):
    marks, text = match.groups()
    if page.stem == "README":  # which is the page above all, and has no sections in the navigation
        return match[0] if marks == "#" else f"<h2>{text}</h2>"
    if marks == "#":
        return f"{text} {{#{label(page.stem)}}}\n===\n\n[TOC]\n"  # after marks, C# would lose its own
    return f"{marks} {text} {{#{label(page.stem)}-{slug(text)}}}"


def code(match):
    if "'" not in match[1]:
        return match[0]
    return "<code>" + html.escape(match[1], quote=False).replace("--", "\\--") + "</code>"  # it would end at the apostrophe


def doxygen(text):
    text = CODE.sub(code, text)
    return HEADING.sub(heading, LINK.sub(link, text))


if __name__ == "__main__":
    page = pathlib.Path(sys.argv[1])
    sys.stdout.write(outside_fences(page.read_text(), doxygen))
