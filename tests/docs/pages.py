"""The Markdown pages of the repository: their code, links and headings. Pure reading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A changelog names what once was.
PAGES = sorted(
    [
        *(path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("destinations/plugins/*/README.md"),
    ]
)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def code(self) -> list[str]:
        """What is set as code: spans, and the lines of blocks."""
        blocks = [line for block in _FENCE.findall(self.text) for line in block.splitlines()[1:-1]]
        prose = _FENCE.sub("", self.text)
        blocks += [line.strip() for line in prose.splitlines() if line.startswith("    ")]
        spans = [span for line in prose.splitlines() if not line.startswith("    ") for span in _SPAN.findall(line)]
        return [*spans, *blocks]

    @property
    def links(self) -> Iterator[tuple[Path, str]]:
        """(file, anchor) of every link into the repository."""
        for target in _LINK.findall(_FENCE.sub("", self.text)):
            if not re.match(r"[a-z]+:", target):
                path, _, anchor = target.partition("#")
                yield (self.path.parent / path).resolve() if path else self.path, anchor

    @property
    def anchors(self) -> set[str]:
        """What its headings are reached by."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(self.text)}


ALL = [Page(path) for path in PAGES]
