"""Write the reference pages in docs/ from the code: `make docs`.

docs/settings.md from the settings classes, docs/problems.md from the errors the web door answers with, docs/metrics.md
from the metrics. A test fails when a page differs from what this module writes.
"""

from __future__ import annotations

import enum
import inspect
import re
import types
from collections.abc import Iterable, Iterator
from datetime import time
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Union, get_args, get_origin

from pydantic.fields import FieldInfo

from api.app import problem_statuses
from api.web.metrics import Metrics
from api.web.problems import OWN_PROBLEMS, PLAIN_TITLES
from desk.paths import ROOT
from desk.settings.group import PREFIX
from desk.settings.settings import group_types, secret_names
from desk.settings.variables import TOOL_VARIABLES, Variable, variables

DOCS = ROOT / "docs"
GENERATED = "<!-- Written by `make docs` from {source}: change it there. -->"
DOCUMENT = re.compile(r"\bdocs/([a-z-]+\.md)(#[\w-]+)?")
HIGHEST_PORT = 65535
VARIABLE = re.compile(r"(?<![`\w/])([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?![\w`])")


def settings_page() -> str:
    """The text of docs/settings.md."""
    lines = [
        "# Settings",
        "",
        GENERATED.format(source="desk/settings/"),
        "",
        f"Environment variables with the prefix `{PREFIX}`; `make run` needs none. `innringing check` warns of a",
        "variable with that prefix that nothing reads.",
        "",
        "A secret can be read from a file, such as a Docker secret: set the variable with `_FILE` at its end to the",
        "file's name. This works for " + ", ".join(f"`{name.upper()}`" for name in secret_names()) + ".",
    ]
    for title, settings in _groups():
        lines += ["", f"## {title}", "", *_table(("variable", "default", "meaning"), map(_setting, settings))]
    rows = ((f"`{name}`", "", _linked(meaning)) for name, meaning in TOOL_VARIABLES.items())
    lines += ["", "## Tools and tests", "", "Read by the programs around the service.", ""]
    lines += _table(("variable", "default", "meaning"), rows)
    return "\n".join(lines) + "\n"


def problems_page() -> str:
    """The text of docs/problems.md."""
    known = [(status, error.id, _title(error)) for error, status in problem_statuses().items()]
    known += [(status, id, title) for status, (id, title) in PLAIN_TITLES.items()]
    known += [(status, id, title) for id, (status, title) in OWN_PROBLEMS.items()]
    lines = [
        "# Problems",
        "",
        GENERATED.format(source="the errors of desk/ and api/"),
        "",
        "Every refusal is `application/problem+json` (RFC 9457). Its `type` is `urn:innringing:problem:<id>` and stays",
        "the same: programs compare it. [api.md](api.md#when-it-is-refused) says what a client does next.",
    ]
    for status in sorted({status for status, _, _ in known}):
        rows = sorted((f"`{id}`", title) for of, id, title in known if of == status)
        lines += ["", f"## {status} {HTTPStatus(status).phrase}", "", *_table(("id", "title"), rows)]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """The text of docs/metrics.md."""
    rows = (
        (f"`{metric.name}`", metric.kind, ", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for metric in Metrics().descriptions()
    )
    lines = [
        "# Metrics",
        "",
        GENERATED.format(source="api/web/metrics.py"),
        "",
        "`GET /metrics` is for Prometheus, without a log-in: keep it inside your network. Each process counts for",
        "itself; `innringing_callbacks` is read from the database. No label names a person.",
        "",
        *_table(("metric", "kind", "labels", "meaning"), rows),
    ]
    return "\n".join(lines) + "\n"


PAGES = {"settings.md": settings_page, "problems.md": problems_page, "metrics.md": metrics_page}


def _groups() -> Iterator[tuple[str, Iterator[Variable]]]:
    """Each group of settings: its title, and its variables."""
    for name, group in groupby(variables(), lambda each: each.group):
        title = re.split(r"[:.]", inspect.getdoc(group_types()[name]) or name)[0]
        yield title, group


def _setting(setting: Variable) -> tuple[str, str, str]:
    bounds = _bounds(setting.field)
    name = setting.name.removeprefix(PREFIX)
    return f"`{name}`", _default(setting.field), _linked(setting.description) + (f" {bounds}." if bounds else "")


def _default(field: FieldInfo) -> str:
    match field.default:
        case None | "":
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case time() as value:
            return f"`{value:%H:%M}`"
        case enum.Enum() as value:
            return f"`{value.value}`"
        case value:
            return f"`{value}`"


def _bounds(field: FieldInfo) -> str:
    """The lowest and highest value taken, or the values there are, where the description needs not repeat them."""
    metadata = list(field.metadata)
    for argument in get_args(field.annotation) if get_origin(field.annotation) in (Union, types.UnionType) else ():
        metadata += [
            each for info in getattr(argument, "__metadata__", ()) for each in getattr(info, "metadata", [info])
        ]
    low = next((each.ge for each in metadata if hasattr(each, "ge")), None)
    high = next((each.le for each in metadata if hasattr(each, "le")), None)
    if low is None:
        return ""
    if high == HIGHEST_PORT:
        return ""
    return f"{low} to {high}" if high is not None else f"At least {low}"


def _linked(text: str) -> str:
    """The text with links to documents and with variables as code."""
    text = VARIABLE.sub(r"`\1`", text)
    return DOCUMENT.sub(lambda found: f"[{found[1]}]({found[1]}{found[2] or ''})", text).replace("|", "\\|")


def _title(error: type[Exception]) -> str:
    return " ".join((error.__doc__ or "").split())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(heads)
    for cells in (heads, ["---"] * len(heads), *rows):
        yield "| " + " | ".join(cells) + " |"


def main(folder: Path = DOCS) -> None:
    for name, page in PAGES.items():
        (folder / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
