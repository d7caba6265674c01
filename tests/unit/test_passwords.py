"""Which passwords are accepted, how they are stored, and how fast they may be tried."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from desk.accounts.errors import LoginsBusy, WeakPassword
from desk.accounts.passwords.common_passwords import FILE, shortened
from desk.accounts.passwords.hashing import MOST_WAITING, OWASP, Passwords
from desk.accounts.passwords.rules import PasswordProblem, check_password
from desk.limits.backoff import (
    FORGOTTEN,
    FREE,
    LONGEST,
    Lane,
    LaneCount,
    after_try,
    delay,
    lanes,
    network,
    seconds_to_wait,
)
from ops.machine.common_passwords import long_enough, write

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def problem(password: str, *words: str) -> PasswordProblem | None:
    try:
        check_password(password, words)
    except WeakPassword as refused:
        assert password not in str(refused)
        return PasswordProblem(refused.problem)
    return None


@pytest.mark.parametrize(
    "password",
    [
        "korrekt hest batteri",
        "ta trikken til Frogner",
        "blåbær ☕ fjellvidde",
        "839201748357",
        "x7!kQ2#pLm9z",
        "ΑΒΓΔΕΖΗΘΙΚΛΜ",
        "sesam " * 3 + "lukk deg",
    ],
)
def test_long_unguessable_text_is_accepted(password: str) -> None:
    assert problem(password) is None


@pytest.mark.parametrize(
    "password",
    [
        *("Passord12345", "Password123!", "Sommer2026!!", "aaaaaaaaaaaa", "123456789012", "qwertyuiopå1"),
        *("Innringing2026!", "innringing123", "Sykehus-2026", "abcdefghijkl", "qwerty123456", "velkommen2025"),
        *("passordpassord", "Admin123456!", "zxcvbnmasdfg", "1q1q1q1q1q1q", "Oktober 2026 !"),
        *("Trondheim2026!", "Bergen-Bergen1", "tromsø-sommer", "Haukeland 2025", "Haust2026!!!!", "sykepleier123"),
        *("ØÆLKJHGFDSAøæl", "qwertyuiopåå", "1qaz2wsx3edc4rfv", '!"#¤%&/()=!!', "jegelskerdeg1", "Påske-2027-Bodø"),
    ],
)
def test_obvious_password_is_refused(password: str) -> None:
    assert problem(password) is PasswordProblem.OBVIOUS


@pytest.mark.parametrize(
    "password",
    ["unbelievable", "Scandinavian", "SONYERICSSON", "ghbdtnghbdtn", "q1w2e3r4t5y6", "ｕｎｂｅｌｉｅｖａｂｌｅ"],
)
def test_common_password_is_refused_in_any_case(password: str) -> None:
    assert problem(password) is PasswordProblem.COMMON


def test_list_holds_ten_thousand_shortened_hashes() -> None:
    head, *known = [line for line in FILE.read_text("ascii").splitlines() if not line.startswith("# Facts")]
    assert head.startswith("# The 10000 commonest passwords of 12 characters")
    assert known == sorted(set(known)) and len(known) == 10_000
    assert all(re.fullmatch(r"[0-9a-f]{12}", each) for each in known)


def test_list_is_built_from_long_passwords_without_duplicates(tmp_path: Path) -> None:
    words = ["short", "Unbelievable", "unbelievable", "UNBELIEVABLE", "x" * 200, "scandinavian", "supernatural"]
    assert list(long_enough(words)) == ["unbelievable", "scandinavian", "supernatural"]
    assert write(words, tmp_path / "list.txt", count=2) == 2
    _, _, *known = (tmp_path / "list.txt").read_text().splitlines()
    assert known == sorted([shortened("unbelievable"), shortened("scandinavian")])


def test_name_of_the_account_or_department_is_obvious() -> None:
    assert problem("kari.nordmann1", "kari.nordmann") is PasswordProblem.OBVIOUS
    assert problem("Hjertepoliklinikken!", "kari", "hjerte", "Hjertepoliklinikken") is PasswordProblem.OBVIOUS
    assert problem("kari liker svarte katter", "kari") is None


def test_length_is_counted_in_characters() -> None:
    assert problem("åæø-éüñ-đŋŧ") is PasswordProblem.TOO_SHORT
    assert problem("åæø-éüñ-đŋŧ☕") is None
    assert problem("lang setning " * 9 + "12345678901") is None
    assert problem("lang setning " * 9 + "123456789012") is PasswordProblem.TOO_LONG


COMPOSED, DECOMPOSED = "blåbær på fjellet", "bla\u030abær pa\u030a fjellet"


@pytest.mark.parametrize("given", [COMPOSED, DECOMPOSED, "  Blåbær  på ﬁellet½ ", "x" * 128, "🫐" * 20])
async def test_password_is_compared_exactly_as_entered(given: str) -> None:
    passwords = Passwords(hasher=CHEAP)
    kept = await passwords.hash(given)
    assert kept.startswith("$argon2id$")
    assert CHEAP.verify(kept, given)  # the exact characters
    assert (await passwords.verify(kept, given, known=False)).is_right
    for other in (given + " ", given[:-1], given.swapcase(), given.replace(" ", ""), given[:64], ""):
        if other != given:
            assert not (await passwords.verify(kept, other, known=False)).is_right
    assert await passwords.hash(given) != kept


async def test_same_characters_in_another_normal_form_match() -> None:
    passwords = Passwords(hasher=CHEAP)
    kept = await passwords.hash(COMPOSED)
    assert (await passwords.verify(kept, DECOMPOSED, known=False)).is_right
    assert not (await passwords.verify(kept, DECOMPOSED + "x", known=False)).is_right
    assert not (await passwords.verify(None, DECOMPOSED, known=False)).is_right


async def test_password_of_an_unknown_account_never_matches() -> None:
    passwords = Passwords(hasher=CHEAP)
    for kept in (None, "", "not a hash", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"):
        assert not (await passwords.verify(kept, "x", known=False)).is_right


async def test_hash_with_weaker_parameters_is_replaced() -> None:
    kept = await Passwords(hasher=CHEAP).hash("korrekt hest batteri")
    verdict = await Passwords().verify(kept, "korrekt hest batteri", known=True)
    assert verdict.is_right and verdict.better_hash is not None and "m=19456,t=2,p=1" in verdict.better_hash
    assert (await Passwords().verify(verdict.better_hash, "korrekt hest batteri", known=True)).better_hash is None
    assert (await Passwords().verify(kept, "feil hest batteri", known=True)).better_hash is None
    assert (OWASP.memory_cost, OWASP.time_cost, OWASP.type.name) == (19 * 1024, 2, "ID")


async def test_crowded_login_refuses_unknown_devices_only() -> None:
    passwords = Passwords(hasher=CHEAP)
    kept = await passwords.hash("korrekt hest batteri")
    crowd = [asyncio.ensure_future(passwords.verify(kept, "x", known=False)) for _ in range(MOST_WAITING + 5)]
    await asyncio.sleep(0)
    assert (await passwords.verify(kept, "korrekt hest batteri", known=True)).is_right
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert sum(isinstance(answer, LoginsBusy) for answer in answers) >= 5
    assert (await passwords.verify(kept, "korrekt hest batteri", known=False)).is_right


def test_delays_double_up_to_a_minute() -> None:
    assert [delay(n).total_seconds() for n in range(-1, 10)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert delay(10**9) == LONGEST


@given(st.lists(st.floats(min_value=0, max_value=7200), max_size=60), st.booleans())
def test_no_attempt_waits_longer_than_a_minute(pauses: list[float], busy: bool) -> None:
    count, now = None, NOW
    for pause in pauses:
        now += timedelta(seconds=pause)
        count = after_try(count, Lane("x", FREE), now, busy=busy)
        assert seconds_to_wait([count, None], now) <= LONGEST.total_seconds()


def test_guesses_in_an_hour_are_limited_to_seventy() -> None:
    count, now, looked_at = None, NOW, 0
    for _ in range(10_000):
        if not seconds_to_wait([count], now):
            count, looked_at = after_try(count, Lane("x", FREE), now, busy=False), looked_at + 1
        now += timedelta(hours=1) / 10_000
    assert 60 <= looked_at <= 70


def test_quiet_lane_starts_over() -> None:
    old = LaneCount(50, NOW, NOW)
    assert after_try(old, Lane("x", 3), NOW + FORGOTTEN - SECOND, busy=False).failures == 51
    assert after_try(old, Lane("x", 3), NOW + FORGOTTEN, busy=False) == LaneCount(1, NOW + FORGOTTEN, NOW + FORGOTTEN)


def test_addresses_are_grouped_by_network() -> None:
    assert network("192.0.2.7") == "192.0.2.7"
    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network("not an address") == network("") == "unknown"
    [device] = lanes("kari", "192.0.2.7", "d")
    place, account = lanes("kari", "192.0.2.7", None)
    assert len({device.key, place.key, account.key}) == 3
    assert lanes("kari", "192.0.2.8", None)[1] == account
    assert lanes("kari", "192.0.2.8", None)[0] != place
