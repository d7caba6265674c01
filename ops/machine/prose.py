"""Check the English of code and documents: `python -m ops.machine.prose [--report]`.

Reads docstrings, comments, the names of functions and classes, the product's messages, and Markdown.

Reports two things as `file:line`: a word listed in `prose_words.toml`, with what to write instead, and a sentence whose
subject is a clause («Who asks from outside gets none»), which readers have to decode.

Not read: code spans and fenced blocks, text in «…» (quotations, most of them Norwegian), and Markdown files that
declare another language with `<!-- language: nb -->`.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
import tomllib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from desk.paths import ROOT

WORDS = Path(__file__).with_name("prose_words.toml")
PLACES = (
    *("innringing.py", "ivr", "api", "desk", "ops", "migrations", "tests"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "docker", "dialplan", "prompts"),
    *("pyproject.toml", "Makefile", ".ci"),
)
CONFIGURATION = {"", ".conf", ".Dockerfile", ".packages", ".service", ".toml", ".yaml"}
OTHER_LANGUAGE = re.compile(r"<!-- language: (?!en\b)[a-z]{2} -->")
SKIPPED_FOLDERS = {"build", "static", "set-aside", "node_modules", "__pycache__"}

WHO = re.compile(r"(?:\A|(?<=[.!?:])\s+|\n\s*\n\s*|\n\s*[-*|]\s+|\n\s*\d+\.\s+)(Who\s[^.?!|]*[.?!|]?)")
"""A sentence that starts with «Who», up to its end."""

COMMENT = re.compile(r"(?:^|\s)[#;]+\s?(.*)")
CODE_SPAN = re.compile(r"``[^`]*``|`[^`\n]+`")
QUOTATION = re.compile(r"«[^»]*»")
LINK_TARGET = re.compile(r"\]\([^)]*\)")
HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Passage:
    """Consecutive lines of prose. `first` is the number of its first line."""

    first: int
    text: str


@dataclass(frozen=True)
class Finding:
    """One place to rewrite."""

    path: Path
    line: int
    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: «{self.found}»: {self.advice}"


def listed_words(file: Path = WORDS) -> Mapping[re.Pattern[str], str]:
    """The patterns of the list, each with what to write instead."""
    words = tomllib.loads(file.read_text("utf-8"))["words"]
    return {
        re.compile(rf"\b(?:{pattern})\b".replace(" ", r"\s+"), re.IGNORECASE): advice
        for pattern, advice in words.items()
    }


def python_passages(source: str, *, messages: bool = False) -> Iterator[Passage]:
    """Docstrings, comments, names of functions and classes; with `messages` every string of several words too."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield Passage(node.lineno, node.name.replace("_", " "))
        elif not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        elif node in docstrings or (messages and " " in node.value):
            yield Passage(node.lineno, node.value)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    yield from _joined(
        (token.start[0], token.string.lstrip("#! ")) for token in tokens if token.type == tokenize.COMMENT
    )


def comment_passages(text: str) -> Iterator[Passage]:
    """Comments of a configuration file or script: what follows # or ; at the start of a word."""
    lines = enumerate(text.splitlines(), start=1)
    yield from _joined((number, found[1]) for number, line in lines if (found := COMMENT.search(line)))


def markdown_passages(text: str) -> Iterator[Passage]:
    """The prose of a Markdown file; nothing when it is in another language."""
    if OTHER_LANGUAGE.search(text):
        return
    kept, fence = [], ""
    for line in text.splitlines():
        mark = line.lstrip()[:3]
        if mark in ("```", "~~~") and (not fence or mark == fence):
            fence = "" if fence else mark
            kept.append("")
        else:
            kept.append("" if fence or line.startswith(("    ", "#")) else line)
    yield Passage(1, "\n".join(kept))


def _joined(lines: Iterable[tuple[int, str]]) -> Iterator[Passage]:
    """One passage for each run of consecutive lines."""
    first, last, texts = 0, -1, list[str]()
    for number, text in lines:
        if number != last + 1 and texts:
            yield Passage(first, "\n".join(texts))
            texts = []
        if not texts:
            first = number
        texts.append(text)
        last = number
    if texts:
        yield Passage(first, "\n".join(texts))


def passages_of(path: Path, *, messages: bool = False) -> Iterator[Passage]:
    """The prose in a file; nothing for a kind of file that is not read. `messages`: as in `python_passages`."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from python_passages(text, messages=messages)
    elif path.suffix == ".md":
        yield from markdown_passages(text)
    elif path.suffix in CONFIGURATION:
        yield from comment_passages(text)


def findings_in(path: Path, passages: Iterable[Passage], words: Mapping[re.Pattern[str], str]) -> Iterator[Finding]:
    """What to rewrite in these passages, in the order of the list."""
    for passage in passages:
        text = _without_code(passage.text)
        starts = [0, *(match.end() for match in re.finditer("\n", text))]

        def line_of(position: int, first: int = passage.first, starts: Sequence[int] = tuple(starts)) -> int:
            return first + bisect_right(starts, position) - 1

        for pattern, advice in words.items():
            for match in pattern.finditer(text):
                yield Finding(path, line_of(match.start()), " ".join(match[0].split()), f"write {advice}")
        for match in WHO.finditer(text):
            if not match[1].endswith("?") and not match[1].endswith("|"):
                opening = " ".join(match[1].split()[:4])
                yield Finding(path, line_of(match.start(1)), opening, "start with the subject: the caller, anyone who")


def _without_code(text: str) -> str:
    """The text with code, quotations and addresses blanked out; every line stays where it is."""
    for pattern in (HTML_COMMENT, CODE_SPAN, QUOTATION, LINK_TARGET):
        text = pattern.sub(lambda match: re.sub(r"[^\n]", "·", match[0]), text)
    return text


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every file that is read, in order."""
    for place in PLACES:
        path = root / place
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file() and not SKIPPED_FOLDERS & set(each.relative_to(root).parts) and _is_read(each):
                yield each


def _is_read(path: Path) -> bool:
    if path.suffix not in {".py", ".md"} | CONFIGURATION:
        return False
    try:
        path.read_text("utf-8")
    except UnicodeError:
        return False
    return True


def findings(root: Path = ROOT) -> list[Finding]:
    """What to rewrite in the whole tree."""
    words = listed_words()
    found: list[Finding] = []
    for path in files(root):
        place = path.relative_to(root)
        found += findings_in(place, passages_of(path, messages=place.parts[0] != "tests"), words)
    return sorted(found, key=lambda finding: (finding.path, finding.line))


def report(found: Iterable[Finding]) -> Iterator[str]:
    """A line for each folder: how many findings are in it."""
    counts = Counter("/".join(finding.path.parts[:-1][:2]) or str(finding.path) for finding in found)
    for folder, count in sorted(counts.items()):
        yield f"{count:5}  {folder}"
    yield f"{sum(counts.values()):5}  in all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings. Exit 1 if there are any, unless only a report was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", nargs="*", help="files or folders to print; all if none")
    parser.add_argument("--report", action="store_true", help="print how many each folder has, and exit 0")
    options = parser.parse_args(arguments)
    found = findings()
    if options.places:
        wanted = [Path(place) for place in options.places]
        found = [each for each in found if any(each.path.is_relative_to(place) for place in wanted)]
    for line in report(found) if options.report else map(str, found):
        print(line)
    return 1 if found and not options.report else 0


if __name__ == "__main__":
    sys.exit(main())
