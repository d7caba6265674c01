"""The spool: an entry is on disk, sealed and whole, once it is stored; damage is set aside and stops nothing."""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from desk.database.errors import StorageUnavailable
from desk.errors import DeskError
from desk.spool.drainer import Drainer
from desk.spool.errors import SpoolUnavailable
from desk.spool.spool import COLUMN, Spool, SpoolEntry, SpoolState
from desk.vault.vault import Vault
from tests.support.desk.desk import KEYS
from tests.support.synthetic import synthetic_identity

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def spool(folder: Path, identity_key: bytes = KEYS["identity_key"]) -> Spool:
    return Spool(folder / "spool", vault=Vault(identity_key=identity_key, index_key=KEYS["index_key"]))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "spool").iterdir() if path.is_file())


class Stored:
    """Stores entries, or raises the next of `errors`."""

    def __init__(self, *errors: DeskError) -> None:
        self.errors = list(errors)
        self.numbers: list[int] = []

    async def __call__(self, entry: SpoolEntry) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.numbers.append(entry.data["n"])


async def filled(folder: Path, numbers: Sequence[int]) -> Spool:
    one = spool(folder)
    for n in numbers:
        await one.add("call", AT, {"n": n})
    return one


async def test_entry_is_one_sealed_private_file_and_reads_again(tmp_path: Path) -> None:
    one, number = spool(tmp_path), synthetic_identity(1)
    await one.add("call", AT, {"patient": number})
    [file] = files(tmp_path)
    assert number.encode() not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    entry = await one.read(file.name)
    assert entry == SpoolEntry(file.name, "call", AT, {"patient": number})
    assert number not in repr(entry)


async def test_names_are_in_the_order_of_writing_across_writers(tmp_path: Path) -> None:
    first, second = spool(tmp_path), spool(tmp_path)
    for n in range(20):
        await (first if n % 2 else second).add("call", AT, {"n": n})
    entries = [await first.read(name) for name in await first.names()]
    assert [entry.data["n"] for entry in entries if entry] == list(range(20))


async def test_half_written_and_foreign_files_are_not_entries(tmp_path: Path) -> None:
    one = await filled(tmp_path, [1])
    [file] = files(tmp_path)
    (file.parent / f".{file.name}").write_bytes(b"half")
    (file.parent / "notes.txt").write_text("hello", "utf-8")
    assert await one.state() == SpoolState(waiting=1, damaged=0)


async def test_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way", "utf-8")
    with pytest.raises(SpoolUnavailable):
        await spool(tmp_path).add("call", AT, {"n": 1})


async def test_spool_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    assert await spool(tmp_path).state() == SpoolState(waiting=0, damaged=0)
    assert await Drainer(spool(tmp_path), {}).drain() == 0


async def test_drained_entries_are_stored_in_order_and_removed(tmp_path: Path) -> None:
    one, stored = await filled(tmp_path, [1, 2, 3]), Stored()
    assert await Drainer(one, {"call": stored}).drain() == 3
    assert stored.numbers == [1, 2, 3]
    assert files(tmp_path) == []


async def test_drain_stops_at_the_first_entry_while_the_database_is_away(tmp_path: Path) -> None:
    one, stored = await filled(tmp_path, [1, 2]), Stored(StorageUnavailable())
    drainer = Drainer(one, {"call": stored})
    with pytest.raises(StorageUnavailable):
        await drainer.drain()
    assert (stored.numbers, len(files(tmp_path))) == ([], 2)
    assert await drainer.drain() == 2
    assert stored.numbers == [1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        *("cut", "changed", "renamed", "other key", "other form", "refused", "unknown kind"),
        *("pipe", "folder", "link", "link to nothing"),
    ],
)
async def test_entry_that_cannot_be_stored_is_set_aside_and_reported(tmp_path: Path, damage: str) -> None:
    one, stored = await filled(tmp_path, [1]), Stored(*([DeskError()] if damage == "refused" else []))
    [file] = files(tmp_path)
    content = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(content[:-5])
        case "changed":
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "renamed":
            file.rename(file.with_name("0" * 20 + file.name[20:]))
        case "other key":
            os.replace(files(tmp_path)[0], tmp_path / "kept")
            await spool(tmp_path, bytes([9]) * 32).add("call", AT, {"n": 1})
        case "other form":
            vault = Vault(identity_key=KEYS["identity_key"], index_key=KEYS["index_key"])
            file.write_bytes(vault.seal(json.dumps({"kind": "call", "data": {}}), COLUMN, file.name))
        case "unknown kind":
            file.unlink()
            await one.add("letter", AT, {"n": 1})
        case "pipe":
            file.unlink()
            os.mkfifo(file)
        case "folder":
            file.unlink()
            file.mkdir()
        case "link" | "link to nothing":
            file.rename(tmp_path / "elsewhere")
            file.symlink_to(tmp_path / ("elsewhere" if damage == "link" else "nothing"))
    await one.add("call", AT, {"n": 2})
    with capture_logs() as logs:
        assert await Drainer(one, {"call": stored}).drain() == 1
    assert stored.numbers == [2], "one damaged file stops no other"
    assert await one.state() == SpoolState(waiting=0, damaged=1)
    assert "Set a file in the spool aside" in [log["event"] for log in logs if log["log_level"] == "error"]


async def test_drainer_goes_on_after_an_error_it_did_not_expect(tmp_path: Path) -> None:
    one, stored = await filled(tmp_path, [1]), Stored()

    async def failing(entry: SpoolEntry) -> None:
        if not stored.numbers:
            stored.numbers.append(0)
            raise RuntimeError("once")
        await stored(entry)

    with capture_logs() as logs:
        serving = asyncio.create_task(Drainer(one, {"call": failing}, every=0.01).serve())
        async with asyncio.timeout(15):
            while files(tmp_path):  # noqa: ASYNC110  # another task empties it
                await asyncio.sleep(0.01)
        serving.cancel()
    assert stored.numbers == [0, 1]
    assert {"Could not drain the spool", "Drained the spool"} <= {log["event"] for log in logs}
