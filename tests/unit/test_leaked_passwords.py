"""The list of leaked passwords: searched without reading the whole file, and refused where it is no such list."""

import hashlib
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from desk.accounts.errors import LeakedPasswordsFault, WeakPassword
from desk.accounts.passwords.hashing import Passwords
from desk.accounts.passwords.leaked_passwords import LeakedPasswords
from desk.accounts.passwords.rules import PasswordProblem
from desk.settings.settings import Settings
from ops.commands.check import leaked_passwords

LEAKED = "ta trikken til Frogner"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def line(password: str, seen: int = 3) -> str:
    return f"{hashlib.sha1(password.encode()).hexdigest().upper()}:{seen}"


def write(file: Path, lines: list[str], end: str = "\r\n") -> LeakedPasswords:
    file.write_bytes("".join(each + end for each in lines).encode())
    return LeakedPasswords(file)


@given(
    st.sets(st.integers(0, 10**6), min_size=1, max_size=60),
    st.lists(st.integers(1, 10**9), min_size=60, max_size=60),
    st.sampled_from(["\n", "\r\n"]),
)
def test_exactly_the_listed_passwords_are_found(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int], seen: list[int], end: str
) -> None:
    lines = sorted(line(f"password {n}", often) for n, often in zip(numbers, seen, strict=False))
    there = write(tmp_path_factory.mktemp("leaked") / "list.txt", lines, end)
    there.check()
    assert all(there.has(f"password {n}") for n in numbers)
    assert not any(there.has(f"passwort {n}") for n in [*numbers, 0, 10**6])


def test_long_list_is_searched_without_reading_it_whole(tmp_path: Path) -> None:
    count = 50_000
    there = write(tmp_path / "list.txt", sorted(line(f"password {n}", n) for n in range(1, count)))
    there.check()
    assert [there.has(f"password {n}") for n in (1, 77, count - 1, count)] == [True, True, True, False]
    assert not there.has("Password 77")


def test_last_line_without_a_newline_is_read(tmp_path: Path) -> None:
    lines = sorted(line(f"password {n}") for n in range(3))
    file = tmp_path / "list.txt"
    file.write_text("\n".join(lines).lower())
    there = LeakedPasswords(file)
    there.check()
    assert [there.has(f"password {n}") for n in range(4)] == [True, True, True, False]


def ordered(count: int = 400) -> list[str]:
    return sorted(line(f"password {n}") for n in range(count))


FAULTY = {
    "empty": ([], "empty"),
    "hash without count": ([each.partition(":")[0] for each in ordered()], "a SHA-1 in hexadecimal, a colon"),
    "NTLM": ([f"{each[:32]}:3" for each in ordered()], "a SHA-1 in hexadecimal, a colon"),
    "passwords in clear": ([f"password {n:030}" for n in range(400)], "a SHA-1 in hexadecimal, a colon"),
    "ordered by how often": (ordered()[::-1], "not in order"),
    "two lists after each other": (ordered() + ordered(), "not in order"),
    "its end is cut off": ([*ordered(), ordered()[-1][:20]], "cut off"),
    "one long line": (["A" * 100_000], "a SHA-1 in hexadecimal, a colon"),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_file_that_is_no_such_list_is_refused(tmp_path: Path, kind: str) -> None:
    lines, reason = FAULTY[kind]
    there = write(tmp_path / "list.txt", lines)
    with pytest.raises(LeakedPasswordsFault, match=reason) as refused:
        there.check()
    assert str(tmp_path / "list.txt") in str(refused.value)
    assert refused.value.detail is None  # a problem document names no file


def test_a_list_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for file, reason in ((tmp_path / "none.txt", "No such file"), (tmp_path, "directory")):
        for ask in (LeakedPasswords(file).check, lambda file=file: LeakedPasswords(file).has("x")):
            with pytest.raises(LeakedPasswordsFault, match=reason):
                ask()


async def test_leaked_password_is_refused_in_every_normal_form(tmp_path: Path) -> None:
    composed = "blåbær på fjellvidda"
    there = write(tmp_path / "list.txt", sorted([line(LEAKED), line(composed)]))
    passwords = Passwords(hasher=CHEAP, leaked=there)
    for typed in (LEAKED, composed, "bla\u030abær pa\u030a fjellvidda"):
        with pytest.raises(WeakPassword) as refused:
            await passwords.check(typed)
        assert refused.value.problem == PasswordProblem.LEAKED
        assert typed not in str(refused.value)
    await passwords.check("ta bussen til Frogner")
    await Passwords(hasher=CHEAP).check(LEAKED)


async def test_deleted_list_fails_the_check_of_a_password(tmp_path: Path) -> None:
    there = write(tmp_path / "list.txt", ordered())
    (tmp_path / "list.txt").unlink()
    with pytest.raises(LeakedPasswordsFault):
        await Passwords(hasher=CHEAP, leaked=there).check("ta bussen til Frogner")


def test_check_of_operators_files_reports_a_bad_list(tmp_path: Path, clean_environment: None) -> None:
    file = tmp_path / "list.txt"
    write(file, ordered())
    assert leaked_passwords(Settings.load(need_keys=False, leaked_passwords=file)) == []
    assert leaked_passwords(Settings.load(environment="demo", var_dir=tmp_path)) == []
    (note,) = leaked_passwords(Settings.load(need_keys=False))
    assert note.note and "not set" in note.reason
    write(file, ordered()[::-1])
    (fault,) = leaked_passwords(Settings.load(need_keys=False, leaked_passwords=file))
    assert (fault.file, fault.note, "not in order" in fault.reason) == (str(file), False, True)
