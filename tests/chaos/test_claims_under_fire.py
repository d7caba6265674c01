"""No claim is lost or given twice while claiming processes are killed; and the checker finds it when one is."""

from pathlib import Path

import pytest

from desk.schema.migrate import migrate
from tests.chaos.claims_under_fire import under_fire
from tests.support.claims.history import LOST, OK, Operation, Stored, faults

LEASE = 10.0


@pytest.mark.parametrize("agents", [1, 5])
async def test_no_claim_is_lost_or_given_twice(migrated_url: str, tmp_path: Path, agents: int) -> None:
    count = 2_000 if migrated_url.startswith("postgresql") else 500
    done, found = await under_fire(migrated_url, tmp_path, count=count, agents=agents, slow_one_in=100)
    assert found == []
    assert sum(each.what == "claim" and each.answer == OK for each in done) >= count
    assert any(each.what == "complete" and each.answer == LOST for each in done), "nobody was fenced off"


@pytest.mark.parametrize(
    ("mutant", "fault", "count"),
    [
        ("no-condition", "double", 3_000),  # two must claim in the same millisecond
        ("no-fencing", "completed with fence", 300),
        ("not-atomic", "lost: claimed for good", 300),
    ],
)
async def test_checker_finds_a_faulty_desk(
    postgres_url: str, tmp_path: Path, mutant: str, fault: str, count: int
) -> None:
    await migrate(postgres_url)
    _, found = await under_fire(postgres_url, tmp_path, count=count, slow_one_in=count // 30, mutant=mutant)
    assert any(fault in each for each in found), found


def claim(start: float, end: float, fence: int, by: str = "a") -> Operation:
    return Operation(by, "claim", start, end, OK, "1", fence)


def complete(start: float, end: float | None, fence: int, answer: str | None = OK) -> Operation:
    return Operation("a", "complete", start, end, answer, "1", fence)


CLOSED = Stored("1", "closed", 1, 1, 1)
AGAIN = Stored("1", "closed", 2, 2, 1)


@pytest.mark.parametrize(
    ("done", "stored"),
    [
        ([claim(0, 1, 1), complete(2, 3, 1)], CLOSED),
        ([claim(0, 1, 1), complete(2, None, 1, None)], CLOSED),  # killed with an unknown result; the callback is closed
        ([claim(0, 1, 1), claim(11, 12, 2), complete(13, 14, 1, LOST), complete(15, 16, 2)], AGAIN),  # lease ran out
        (
            [claim(0, 11, 1), claim(1, 12, 2), complete(13, 14, 2)],
            AGAIN,
        ),  # at the same time, after the first lease expired
    ],
)
def test_possible_history_has_no_faults(done: list[Operation], stored: Stored) -> None:
    assert faults(done, [stored], LEASE) == []


@pytest.mark.parametrize(
    ("done", "stored", "fault"),
    [
        ([], Stored("1", "waiting", 0, 0, 0), "lost"),
        ([claim(0, 1, 1)], Stored("1", "claimed", 1, 1, 0), "lost"),
        ([claim(0, 1, 1), complete(2, 3, 1)], Stored("1", "closed", 0, 0, 1), "not in the database"),
        ([claim(0, 1, 1), claim(0, 1, 1, "b"), complete(2, 3, 1)], CLOSED, "fence 1 twice"),
        ([claim(0, 1, 1), claim(2, 3, 2, "b"), complete(4, 5, 2)], AGAIN, "while another held it"),
        ([claim(0, 1, 2), claim(12, 13, 1, "b"), complete(14, 15, 2)], AGAIN, "fence 2 and later 1"),
        ([claim(0, 1, 1), claim(11, 12, 2, "b"), complete(13, 14, 1)], AGAIN, "completed with fence 1"),
        ([claim(0, 1, 1), complete(2, 3, 1), complete(4, 5, 1)], CLOSED, "completed twice"),
        ([claim(0, 1, 1), complete(2, 3, 1)], Stored("1", "closed", 1, 1, 2), "closed 2 times"),
        ([claim(0, 1, 1), complete(2, 3, 1)], Stored("1", "closed", 1, 0, 1), "in its history"),
    ],
)
def test_impossible_history_is_a_fault(done: list[Operation], stored: Stored, fault: str) -> None:
    assert any(fault in each for each in faults(done, [stored], LEASE))
