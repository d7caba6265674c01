"""«Si kort hva det gjelder» over real SIP: the agent hears what the caller said, and none of it is left in clear.

Also a full queue and a closed one: the spoken promise is the stored one, with the reason.
"""

import asyncio
import io
import sys
import wave
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.accounts.agents import Agents
from desk.clock import OSLO, SystemClock
from desk.database.engine import Database
from desk.departments.departments import Policy
from desk.paths import ROOT
from desk.promises.model import Promise
from ivr.dialogue.speech import promise_prompts
from ops.softphone.listening import PromptRecogniser
from ops.softphone.rtp import RATE, Samples, decode_alaw
from tests.support.machine.system import Program, System, running_system
from tests.support.phone.callers import PATIENCE, Caller, ringing
from tests.support.synthetic import synthetic_identity

SAID, EARLIER = "rescue", "switchboard_unavailable"
"""Sentences of the catalogue that no caller hears in these calls. They stand in for callers' speech."""
TIMES = 9
"""Repeated often enough without a pause that the recording starts within one sentence and contains a complete one."""


@pytest.fixture(scope="module")
def system(prompts: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """kirurgi records the reason for the call; hjerte has one place in each round, and asks for no identity number."""
    folder = tmp_path_factory.mktemp("recording")
    text = (ROOT / "dialplan" / "departments.toml").read_text("utf-8")
    text = text.replace("[kirurgi]\n", "[kirurgi]\nrecording = true\n", 1)
    text = text.replace("[hjerte]\n", '[hjerte]\ncapacity = 1\nidentity = "off"\n', 1)
    (folder / "departments.toml").write_text(text, "utf-8")
    with running_system(folder, departments_file=folder / "departments.toml") as running:
        yield running


def sound(system: System, sentence: str) -> bytes:
    return (system.settings.files.prompts / "build" / "nb" / f"{sentence}.alaw").read_bytes()


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until the condition holds. Fails after too long."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


def in_spool(system: System) -> list[str]:
    """The recordings in clear."""
    return [path.stem for path in system.asterisk.instance.recordings.iterdir()]


async def keys_and_speaks(caller: Caller, system: System, n: int, times: int = TIMES) -> None:
    """Says one sentence, keys the number, and then says another."""
    await caller.hears("welcome")
    caller.call.stream.say(sound(system, EARLIER))
    await caller.keys(synthetic_identity(n))
    caller.call.stream.say(sound(system, SAID) * times)


async def speaks(system: System, n: int = 701) -> list[str]:
    """Until silence ends the recording."""
    async with ringing(system.settings, "1000", f"+4768050{n}") as caller:
        await keys_and_speaks(caller, system, n)
        await caller.hears("recording_kept")
        await caller.ends()
        return await caller.heard()


async def hangs_up(system: System, n: int = 702, prefix: str = "innringing-") -> list[str]:
    """In the middle of a sentence."""
    async with ringing(system.settings, "1000", f"+4768050{n}") as caller:
        await keys_and_speaks(caller, system, n)
        async with system.client() as agent:
            id = (await callback_of(agent, n, patience=PATIENCE))["id"]
        await eventually(lambda: f"{prefix}{id}" in in_spool(system))
        await asyncio.sleep(12)  # twice the sentence, so that one is complete
        await caller.hangs_up()
        return await caller.heard()


async def presses_a_key(system: System, n: int = 703) -> list[str]:
    """Press keys after speaking, and keep keying."""
    async with ringing(system.settings, "1000", f"+4768050{n}") as caller:
        await keys_and_speaks(caller, system, n)
        await caller.keys("#1234567890")
        await caller.hears("recording_kept")
        await caller.ends()
        return await caller.heard()


async def says_nothing(system: System) -> list[str]:
    async with ringing(system.settings, "1000", "+4768050704") as caller:
        await keys_and_speaks(caller, system, 704, times=0)
        await caller.ends()
        return await caller.heard()


async def rings_hjerte(system: System, n: int) -> list[str]:
    """The receipt, word by word."""
    async with ringing(system.settings, "2000", f"+476805{n:04}") as caller:
        await caller.hears("change_number")  # after the receipt
        samples = caller.call.heard.samples()
        return [
            each.key for each in await asyncio.to_thread(PromptRecogniser.of_folder(caller.prompts).recognise, samples)
        ]


async def leaders_token(system: System) -> str:
    database = Database(system.settings.database.url)
    try:
        return await Agents(database=database, clock=SystemClock()).add(SYSTEM, "lise", Role.LEADER, ["hjerte"])
    finally:
        await database.close()


async def hjerte_fills_and_closes(system: System) -> list[list[str]]:
    """One caller gets the round, the next the round after it; then the queue closes until midnight, for a course."""
    heard = [await rings_hjerte(system, 711), await rings_hjerte(system, 712)]
    now = datetime.now(OSLO)
    until = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    closure = {"from": now.isoformat(), "until": until.isoformat(), "text_key": "closed_course"}
    async with system.client() as leader:
        leader.headers["Authorization"] = f"Bearer {await leaders_token(system)}"
        (await leader.post("/departments/hjerte/closures", json=closure)).raise_for_status()
    return [*heard, await rings_hjerte(system, 713)]


@dataclass
class Outcome:
    """What each caller heard."""

    recorded: dict[Callable[[System], Awaitable[list[str]]], list[str]]
    hjerte: list[list[str]]


@pytest.fixture(scope="module")
def outcome(system: System) -> Outcome:
    """All of them call at once."""

    async def ring_all() -> Outcome:
        stories = [speaks, hangs_up, presses_a_key, says_nothing]
        *heard, hjerte = await asyncio.gather(*(story(system) for story in stories), hjerte_fills_and_closes(system))
        return Outcome(dict(zip(stories, heard, strict=True)), hjerte)

    return asyncio.run(ring_all())


async def callback_of(agent: httpx.AsyncClient, n: int, *, patience: float = 0) -> dict[str, Any]:
    end = asyncio.get_running_loop().time() + patience
    while True:
        items = (await agent.get("/callbacks", params={"limit": 200})).raise_for_status().json()["items"]
        found = [each for each in items if each["phone"] == f"+476805{n:04}"]
        if found or asyncio.get_running_loop().time() > end:
            (callback,) = found
            return callback
        await asyncio.sleep(0.2)


async def fetched(system: System, n: int) -> Samples:
    """The recording of this caller, as an agent gets it."""
    async with system.client() as agent:
        async with asyncio.timeout(PATIENCE):
            while True:
                callback = await callback_of(agent, n)
                if callback["has_recording"]:
                    break
                await asyncio.sleep(0.1)
        answer = (await agent.get(f"/callbacks/{callback['id']}/recording")).raise_for_status()
        history = (await agent.get(f"/callbacks/{callback['id']}/history")).json()["items"]
    assert history[-1]["event"] == "recording_heard"
    assert answer.headers["content-type"] == "audio/wav" and answer.headers["cache-control"] == "no-store"
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def holds_what_was_said(system: System, samples: Samples) -> bool:
    """Check that the recording contains the whole sentence, sample for sample, and not what was said before."""
    found = PromptRecogniser.of_folder(system.settings.files.prompts / "build" / "nb", [SAID, EARLIER]).recognise(
        samples
    )
    assert EARLIER not in [each.key for each in found]
    return any(each.whole and each.score > 0.98 for each in found)


def keys_in(samples: Samples) -> int:
    """The number of 40 ms blocks that contain a pair of DTMF tones and nothing else."""
    block, found = RATE // 25, 0
    for start in range(0, len(samples) - block, block):
        power = np.abs(np.fft.rfft(samples[start : start + block] * np.hanning(block))) ** 2
        near = [power[round(f / 25) - 1 : round(f / 25) + 2].sum() for f in (697, 770, 852, 941, 1209, 1336, 1477)]
        low, high = max(near[:4]), max(near[4:])
        found += bool(power.sum() > 1e9 and low + high > 0.9 * power.sum() and min(low, high) > 0.1 * power.sum())
    return found


async def test_agent_hears_the_recording_which_silence_ended(system: System, outcome: Outcome) -> None:
    assert outcome.recorded[speaks][-4:] == ["change_number", "say_what_about", "recording_kept", "may_hang_up"]
    samples = await fetched(system, 701)
    assert holds_what_was_said(system, samples)
    assert keys_in(samples) == 0


async def test_hang_up_keeps_the_recording_so_far(system: System, outcome: Outcome) -> None:
    assert outcome.recorded[hangs_up][-1] == "say_what_about"
    samples = await fetched(system, 702)
    assert holds_what_was_said(system, samples)
    assert len(samples) > 4 * RATE
    async with system.client() as agent:
        assert (await callback_of(agent, 702))["status"] == "waiting"


async def test_key_ends_the_recording_and_is_not_in_it(system: System, outcome: Outcome) -> None:
    assert "recording_kept" in outcome.recorded[presses_a_key]
    samples = await fetched(system, 703)
    assert holds_what_was_said(system, samples)
    assert keys_in(samples) == 0


async def test_silent_caller_has_a_callback_without_a_recording(system: System, outcome: Outcome) -> None:
    assert outcome.recorded[says_nothing][-2:] == ["say_what_about", "may_hang_up"]
    async with system.client() as agent:
        callback = await callback_of(agent, 704)
        answer = await agent.get(f"/callbacks/{callback['id']}/recording")
    assert (callback["has_recording"], answer.status_code) == (False, 404)
    assert answer.json()["type"] == "urn:innringing:problem:recording-not-found"


async def test_no_recording_is_left_in_clear(system: System, outcome: Outcome) -> None:
    await fetched(system, 701)
    await eventually(lambda: not in_spool(system))
    assert in_clear(system) == []


def in_clear(system: System) -> list[Path]:
    """The files on disk with a piece of what callers said."""
    piece = sound(system, SAID)[RATE : 2 * RATE]
    files = [path for path in system.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any(path.suffix == ".db" for path in files)
    held = []
    for path in files:
        with suppress(FileNotFoundError):
            held += [path] * (piece in path.read_bytes())
    return held


async def test_recordings_left_by_a_crash_are_stored_at_the_next_start(system: System, outcome: Outcome) -> None:
    async with system.client() as agent:
        id = (await callback_of(agent, 704))["id"]
    await eventually(lambda: not in_spool(system))
    system.ivr.kill()
    spool = system.asterisk.instance.recordings
    (spool / f"innringing-{id}.alaw").write_bytes(sound(system, SAID))
    (spool / "innringing-00000000-0000-0000-0000-000000000000.alaw").write_bytes(sound(system, SAID))
    (spool / "someone-elses.alaw").write_bytes(b"\xd5" * RATE)
    await asyncio.to_thread(system.restart_ivr)
    samples = await fetched(system, 704)
    assert np.array_equal(samples, decode_alaw(sound(system, SAID)))
    await eventually(lambda: in_spool(system) == ["someone-elses"])


@pytest.mark.parametrize(("caller", "reason"), [(0, None), (1, "queue_full"), (2, "closed_course")])
async def test_spoken_promise_is_the_stored_promise(
    system: System, outcome: Outcome, caller: int, reason: str | None
) -> None:
    async with system.client() as agent:
        callback = await callback_of(agent, 711 + caller)
        before = [(await callback_of(agent, n))["promise"]["by"] for n in range(711, 711 + caller)]
    by = datetime.fromisoformat(callback["promise"]["by"])
    words = promise_prompts(Promise(Policy.ROUNDS, by, by), datetime.fromisoformat(callback["created_at"]))
    receipt = ["received", *([reason] if reason else []), "ring_number", *words, "from_number"]
    heard = outcome.hjerte[caller][outcome.hjerte[caller].index("received") :]
    heard = [word for word in heard if not word.startswith("digit_")]
    receipt, heard = ([word.replace("hour_", "oclock_") for word in each] for each in (receipt, heard))  # one sound
    assert heard[: len(receipt)] == receipt
    assert callback["promise"]["by"] > max(before, default="")  # one place in each round: each caller gets a later one


@pytest.fixture
def standby_alone(system: System) -> Iterator[Program]:
    """A standby while there is no phone door."""
    system.ivr.kill()
    program = system.start_standby()
    yield program
    program.stop()
    system.restart_ivr()


async def test_standby_records_and_seals_what_callers_say(system: System, standby_alone: Program) -> None:
    spoke, _, keyed = await asyncio.gather(
        speaks(system, 721), hangs_up(system, 722, "standby-"), presses_a_key(system, 723)
    )
    assert spoke[-4:] == ["change_number", "say_what_about", "recording_kept", "may_hang_up"]
    assert "recording_kept" in keyed
    for n in (721, 722, 723):
        samples = await fetched(system, n)
        assert holds_what_was_said(system, samples)
        assert keys_in(samples) == 0
    await eventually(lambda: not [name for name in in_spool(system) if name.startswith("standby-")])
    assert in_clear(system) == []


QUICK = [sys.executable, "-m", "tests.support.machine.quick_standby"]


async def test_standby_stopped_while_a_caller_speaks_keeps_callback_and_recording(
    system: System, standby_alone: Program
) -> None:
    """SIGTERM. Asterisk records on to the end of the sentence, and the next standby seals what it finds."""
    async with ringing(system.settings, "1000", "+4768050731") as caller:
        await keys_and_speaks(caller, system, 731)
        async with system.client() as agent:
            id = (await callback_of(agent, 731, patience=PATIENCE))["id"]
        await eventually(lambda: f"standby-{id}" in in_spool(system))
        await asyncio.to_thread(standby_alone.stop)
        assert not standby_alone.alive()
        successor = system.start("standby", QUICK)
        try:
            await caller.hears("rescue")  # once the caller has finished; there is no phone door
            await caller.hangs_up()
            samples = await fetched(system, 731)
        finally:
            successor.stop()
    assert holds_what_was_said(system, samples)
    async with system.client() as agent:
        callback = await callback_of(agent, 731)
    assert (callback["status"], callback["call_count"]) == ("waiting", 1)
    await eventually(lambda: not [name for name in in_spool(system) if name.startswith("standby-")])
