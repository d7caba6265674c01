"""The operators' manual: its sections, its blocks of code, and edits of files as it asks for them."""

import re

from desk.paths import ROOT

MANUAL = (ROOT / "docs" / "operator.md").read_text("utf-8")
YEAR = "2035"


def section(title: str) -> str:
    """The text under a heading; before the first one when the title is empty."""
    return (MANUAL.partition(f"\n## {title}\n")[2] if title else MANUAL).partition("\n## ")[0]


def blocks(title: str, kind: str = "toml") -> list[str]:
    """The fenced blocks of that kind in a section, without the list's indentation."""
    found = re.findall(r"(?m)^ *```(\w*)\n(.*?)^ *```$", section(title), re.S)
    return [re.sub(r"(?m)^   ", "", text).replace("ÅÅÅÅ", YEAR) for its_kind, text in found if its_kind == kind]


def set_in(text: str, name: str, block: str) -> str:
    """`text` with the values of a block in its table `name`, as an operator changes lines that are there."""
    before, head, after = text.partition(f"\n[{name}]\n")
    table, following, rest = after.partition("\n[")
    for line in block.splitlines():
        key = line.partition("=")[0].strip()
        if key and not line.startswith("["):
            table, count = re.subn(rf"(?m)^{key} *=.*$", lambda _, line=line: line, table, count=1)  # type: ignore[misc]
            table = table if count else f"{line}\n{table}"
    return before + head + table + following + rest
