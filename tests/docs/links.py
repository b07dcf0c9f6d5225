#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""links.py [HTML]: every link of the pages leads somewhere, file and anchor, on a site that hosts code and in the HTML that
Doxygen made of them; and every page can be reached, from README.md and in the navigation of the HTML."""

import html.parser
import pathlib
import re
import sys
import urllib.parse

from pages import PAGES, SOURCE, split

sys.path.insert(0, str(SOURCE / "docs/html"))
from page import LINK, label, slug  # noqa: E402

OTHERS = [SOURCE / "CHANGELOG.md", *SOURCE.glob("bindings/**/README.md")]


def anchors_of(prose):
    found = []
    for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE):
        name = slug(heading)
        found.append(f"{name}-{found.count(name)}" if name in found else name)
    return found


def check_markdown():
    prose = {page: split(page)[1] for page in [*PAGES, *OTHERS]}
    anchors = {page: anchors_of(text) for page, text in prose.items()}
    linked = set()
    for page, text in prose.items():
        for _, _, target in LINK.findall(text):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            linked |= {file} if page.name == "README.md" else set()
            if not file.exists() or not file.is_relative_to(SOURCE):
                yield f"{page.relative_to(SOURCE)}: {target} leads to no file"
            elif anchor and anchor not in anchors.get(file, []):
                yield f"{page.relative_to(SOURCE)}: {target} leads to no heading"
    layout = (SOURCE / "docs/html/layout.xml").read_text()
    for page in PAGES[1:]:
        if page not in linked:
            yield f"README.md does not lead to {page.name}"
        if f'"@ref {label(page.stem)}"' not in layout:
            yield f"docs/html/layout.xml does not have {page.name}"


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value)
            elif name in ("href", "src", "data") and value:
                self.links.add(value)


def check_html(folder):
    texts = {file.name: file.read_text() for file in folder.glob("*.html")}
    for name in (f"{label(page.stem)}.html" for page in PAGES):
        words = re.sub(r'<div class="fragment">.*?</div><!-- fragment -->|<[^>]+>', "", texts[name], flags=re.DOTALL)
        if left := re.search(r"\\ilinebr|\*\*\w|\]\(|@ref|@section|^```| \| |## ", words, re.MULTILINE):
            yield f"{name}: {left[0]} came out as text: {words[left.start() - 30 : left.end() + 30]!r}"
    pages = {name: Page(text) for name, text in texts.items()}
    for page in PAGES[1:]:
        title = page.read_text().split("\n", 1)[0][2:]
        if f'<div class="title">{title}' not in texts[f"{label(page.stem)}.html"]:
            yield f"{page.name}: its title is not {title} in the HTML"
        for anchor in anchors_of(split(page)[1])[1:]:
            if f"{label(page.stem)}-{anchor}" not in pages[f"{label(page.stem)}.html"].anchors:
                yield f"{page.name}: the heading {anchor} is not in the HTML"
    links = {(name, link) for name, page in pages.items() for link in page.links}
    navigation = (folder / "navtreedata.js").read_text()
    links |= {("navtreedata.js", link) for link in re.findall(r'"([^"\s]*\.html[^"\s]*|@ref[^"]*)"', navigation)}
    for name, link in sorted(links):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = urllib.parse.unquote(link).partition("#")
        target = target or name
        if not (folder / target).is_file():
            yield f"{name}: {link} leads to no file"
        elif anchor and target in pages and anchor not in pages[target].anchors:
            yield f"{name}: {link} leads to no anchor"


if __name__ == "__main__":
    wrong = list(check_markdown())
    if len(sys.argv) > 1:
        wrong += check_html(pathlib.Path(sys.argv[1]))
    print("\n".join(wrong))
    sys.exit(bool(wrong))
