"""What a patient may read of the audit («innsyn i logg»): names, roles, departments, times, reasons. No addresses.

A list that is read again within minutes names the same callbacks only once. Which of them a later read showed is not
stored, so a line about a list says until when it may have been repeated, and how often at most.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from desk.audit.actions import OUTCOMES, action_in_words, roles_in_words
from desk.audit.repository import AuditRow
from desk.clock import OSLO

WHAT: Final = ("Tidspunkt", "Navn", "Rolle", "Avdeling", "Handling", "Resultat")
HEADINGS: Final = (*WHAT, "Nødrett", "Begrunnelse", "Gjentatt")
NOT_SIGNED_IN: Final = "ikke innlogget"


@dataclass(frozen=True)
class ExtractLine:
    """One row in words. `at`: local time in Oslo. `emergency`: whether only an emergency access allowed it.

    `again`: how often at most the same list may have shown the patient again, and until when; usually empty.
    """

    at: str
    who: str
    role: str
    department: str
    action: str
    outcome: str
    emergency: bool
    why: str
    again: str = ""


def lines(rows: Iterable[AuditRow], name_of: Callable[[str], str], repeats: Mapping[int, int]) -> list[ExtractLine]:
    """Put the rows into words. `name_of` returns a department's name; `repeats` is the result of `Audit.repeats`."""
    return [
        ExtractLine(
            at=row.at.astimezone(OSLO).strftime("%Y-%m-%d %H:%M:%S"),
            who=row.who or NOT_SIGNED_IN,
            role=roles_in_words(row.role),
            department=", ".join(sorted({name_of(slug) for slug in _departments(row)})),
            action=action_in_words(row.action),
            outcome=OUTCOMES.get(row.outcome, row.outcome),
            emergency=row.emergency,
            why=row.why or "",
            again=_again(row, repeats.get(row.seq, 0)),
        )
        for row in rows
    ]


def as_csv(extract: Iterable[ExtractLine]) -> str:
    """Write CSV with semicolons, as spreadsheets in Norway read it. No cell is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADINGS)
    for line in extract:
        cells = (
            line.at,
            line.who,
            line.role,
            line.department,
            line.action,
            line.outcome,
            "ja" if line.emergency else "",
        )
        writer.writerow([_plain(cell) for cell in (*cells, line.why, line.again)])
    return out.getvalue()


def as_json(extract: Iterable[ExtractLine]) -> str:
    """Write JSON, for programs."""
    return json.dumps({"items": [asdict(line) for line in extract]}, ensure_ascii=False, indent=2)


def _departments(row: AuditRow) -> set[str]:
    return {each.department for each in row.seen} or ({row.department} if row.department else set())


def _again(row: AuditRow, times: int) -> str:
    if not times or row.named_until is None:
        return ""
    before = row.named_until.astimezone(OSLO)
    often = "én gang" if times == 1 else f"{times} ganger"
    return f"listen kan være sett igjen inntil {often} før kl. {before:%H:%M}"


def _plain(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
