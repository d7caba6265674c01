"""What a patient may read of the audit («innsyn i logg»): who looked, as what, where, when, why. No addresses.

A list that is looked at again within minutes names the same callbacks only once. Which of them a later look showed is
not written down, so a line about a list tells until when it may have been repeated, and how often at most.
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
NOBODY: Final = "ikke innlogget"


@dataclass(frozen=True)
class ExtractLine:
    """One row in words. `at`: wall time in Oslo; `emergency`: whether only an emergency access opened it.

    `again`: how often at most the patient may have been seen in the same list again, and before when; mostly empty.
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
    """The rows in words; `name_of` gives a department's name by its slug, `repeats` is what `Audit.repeats` gave."""
    return [
        ExtractLine(
            at=row.at.astimezone(OSLO).strftime("%Y-%m-%d %H:%M:%S"),
            who=row.who or NOBODY,
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


def as_csv(told: Iterable[ExtractLine]) -> str:
    """With a semicolon between, as spreadsheets in Norway read it; nothing in it is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADINGS)
    for line in told:
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


def as_json(told: Iterable[ExtractLine]) -> str:
    """The same for programs."""
    return json.dumps({"items": [asdict(line) for line in told]}, ensure_ascii=False, indent=2)


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
