"""The ledger of one kind of fault: what each caller heard, against what was stored."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ivr.rehearsal import people
from tests.chaos.callers import Call
from tests.chaos.hearing import Hearing
from tests.chaos.stored import Stored, StoredCallback

SILENCE_GOAL: Final = 3.0
STAYED_GOAL: Final = 0.95


@dataclass(frozen=True)
class Entry:
    """One caller's line in the ledger."""

    person: int
    answered: bool
    stayed: bool
    receipt: bool
    rows: int
    lost: bool
    doubled: bool
    wrong: bool
    traced: bool
    silence: float
    silent_at: float
    heard: tuple[tuple[str, float], ...]
    answers: tuple[tuple[float, float], ...]
    error: str = ""

    @property
    def true_receipt(self) -> bool:
        """Whether the caller heard a receipt that is true."""
        return self.receipt and self.rows == 1 and not self.wrong


@dataclass(frozen=True)
class Result:
    """A row of the fault table. `faults` is what was not in order again in time; `orphans` what was left behind."""

    kind: str
    engine: str
    seed: int
    asterisk_lives: bool
    entries: tuple[Entry, ...]
    faults: tuple[str, ...] = ()
    orphans: int = 0
    healed_after: float = 0.0
    error: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def calls(self) -> int:
        return sum(each.answered for each in self.entries)

    @property
    def receipts(self) -> int:
        return sum(each.receipt for each in self.entries)

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.entries)

    @property
    def lost(self) -> int:
        return sum(each.lost for each in self.entries)

    @property
    def doubled(self) -> int:
        return sum(each.doubled for each in self.entries)

    @property
    def wrong(self) -> int:
        return sum(each.wrong for each in self.entries)

    @property
    def untraced(self) -> int:
        return sum(each.answered and not each.traced for each in self.entries)

    @property
    def silence(self) -> float:
        return max((each.silence for each in self.entries if each.answered), default=0.0)

    @property
    def stayed(self) -> list[Entry]:
        return [each for each in self.entries if each.stayed and each.answered]

    @property
    def kept(self) -> float:
        """The share of callers who stayed and ended with a true receipt."""
        return sum(each.true_receipt for each in self.stayed) / max(len(self.stayed), 1)

    @property
    def broken(self) -> list[str]:
        """What must never happen, and happened."""
        counts = {"lost": self.lost, "doubled": self.doubled, "orphans": self.orphans, "without a trace": self.untraced}
        found = [f"{count} {name}" for name, count in counts.items() if count]
        return [*found, *self.faults, *([self.error] if self.error else [])]

    @property
    def missed(self) -> list[str]:
        """The goals that this kind misses."""
        if not self.asterisk_lives or not self.stayed:
            return []
        found = [f"silence {self.silence:.1f} s"] if self.silence > SILENCE_GOAL else []
        return found + ([f"receipts {self.kept:.0%}"] if self.kept < STAYED_GOAL else [])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Result":
        entries = tuple(Entry(**each) for each in data["entries"])
        given = {**data, "entries": entries, "faults": tuple(data["faults"]), "notes": tuple(data["notes"])}
        return cls(**given)


def judge(calls: Sequence[Call], hearings: Sequence[Hearing], before: Stored, after: Stored) -> tuple[Entry, ...]:
    """Compare what each caller heard with the rows that the calls made."""
    unnamed = len(after.calls.get(None, [])) - len(before.calls.get(None, []))
    entries = []
    for call, hearing in zip(calls, hearings, strict=True):
        rows = rows_of(call, after)
        traced = bool(rows or after.calls.get(call.number))
        if not traced and call.withheld and call.answered and unnamed > 0:  # a call without a number
            unnamed, traced = unnamed - 1, True
        allowed = {call.number, call.other_number}
        entries.append(
            Entry(
                person=call.person,
                answered=call.answered,
                stayed=not call.gave_up,
                receipt=hearing.receipt,
                rows=len(rows),
                lost=hearing.receipt and not rows,
                doubled=len(rows) > 1 or any(row.call_count > 1 for row in rows),
                wrong=any(row.identity not in (None, call.identity) or row.phone not in allowed for row in rows),
                traced=traced,
                silence=round(hearing.silence, 1),
                silent_at=round(hearing.silent_at, 1),
                heard=tuple((each.key, round(each.start, 1)) for each in hearing.sentences),
                answers=tuple((round(begun, 1), round(ended, 1)) for begun, ended in call.answers),
                error=call.error,
            )
        )
    return tuple(entries)


def rows_of(call: Call, stored: Stored) -> list[StoredCallback]:
    """Return the callbacks of this caller: those on their numbers, and those with their identity number."""
    numbers = {people.number(call.person), call.other_number}
    return [
        row
        for rows in stored.callbacks.values()
        for row in rows
        if row.phone in numbers or row.identity == call.identity
    ]
