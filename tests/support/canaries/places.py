"""The places to search for canaries, besides answers and logs: tables, backups, database files, folders.

The exceptions are defined here once, for every test that searches.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from desk.database.engine import Database
from desk.schema.tables import metadata
from tests.support.canaries.numbers import Checker, Find

PHONES_IN_CLEAR = {
    "callbacks.phone": "lists are made by it, and it is rung",
    "calls.phone": "who hung up half-way is rung back",
    "dials.phone": "what is rung, and how often that day",
    "inquiries.note": "what an agent wrote; deleted with the rest",
    "inquiries.subject_key": "whose callback it is when there is no identity number",
    "attempts.note": "what an agent wrote; deleted with the rest",
}
"""The columns where a backup may contain a phone number in clear, and why. An identity number: nowhere."""

_BLOCK = re.compile(r"^COPY public\.(\w+) \(([^)]*)\) FROM stdin;\n(.*?)^\\\.$", re.MULTILINE | re.DOTALL)
_BYTES = re.compile(r"\\\\x([0-9a-f]*)")


async def in_the_tables(database: Database, checker: Checker) -> list[Find]:
    """Every value of every table, as a client of the database reads it."""
    found = []
    async with database.read() as connection:
        for table in metadata.sorted_tables:
            rows = (await connection.execute(select(table))).all()
            for column in table.columns:
                values = (row._mapping[column] for row in rows)
                text = "\n".join(_text(value) for value in values if value is not None)
                found += _in_column(checker, f"{table.name}.{column.name}", text, binary=False)
    return found


def in_a_dump(dump: bytes, checker: Checker, secrets: Iterable[str] = ()) -> list[Find]:
    """A backup in pg_dump's plain text: each column of each table, and the text between the tables.

    `secrets`: passwords and tokens, of which only hashes may occur.
    """
    text = dump.decode()
    found = checker.both("the backup, outside the tables", _BLOCK.sub("", text))
    for table, columns, rows in _BLOCK.findall(text):
        values = zip(*(line.split("\t") for line in rows.splitlines()), strict=True)
        for column, given in zip(columns.split(", "), values, strict=False):
            place = f"the backup, {table}.{column}"
            opened = [
                bytes.fromhex(match[1]).decode("latin-1") if (match := _BYTES.fullmatch(value)) else value
                for value in given
            ]
            found += _in_column(checker, place, "\n".join(opened), binary=any(map(_BYTES.fullmatch, given)))
    found += [Find("the backup", "secret", repr(form)[:12]) for form in _forms(secrets) if form in dump]
    return found


def in_files(paths: Iterable[Path], checker: Checker, secrets: Iterable[str] = ()) -> list[Find]:
    """Files on the disk, of any kind. Phone numbers are ignored, because they have columns of their own."""
    found, forms = [], list(_forms(secrets))
    for path in sorted(paths):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += checker.people(path.name, content) + in_wide_characters(checker, path.name, content)
            found += [Find(path.name, "secret", repr(form)[:12]) for form in forms if form in content]
    return found


def in_wide_characters(checker: Checker, place: str, content: bytes) -> list[Find]:
    """Identity numbers in text with two bytes per character, one of them zero."""
    return [
        find
        for run in re.findall(rb"(?:\d\x00|\x00\d){11,}", content)
        for find in checker.people(place, run.replace(b"\x00", b""))
    ]


def _in_column(checker: Checker, place: str, text: str, *, binary: bool) -> list[Find]:
    name = place.rpartition(" ")[2]
    found = (checker.people if name in PHONES_IN_CLEAR else checker.both)(place, text)
    return found if binary or name in PHONES_IN_CLEAR else found + checker.parts(place, text)


def _forms(secrets: Iterable[str]) -> Iterator[bytes]:
    """A secret as it is, reversed, and in hex."""
    for secret in secrets:
        plain = secret.encode()
        yield from (plain, plain[::-1], plain.hex().encode())


def _text(value: Any) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
