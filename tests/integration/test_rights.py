"""Subject access: everything stored is exported, and erased except what is open or held; both engines."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from desk.access.actor import CALLER, SYSTEM
from desk.callbacks.errors import CallbackNotFound
from desk.callbacks.model import IncompleteStep
from desk.callbacks.services import CallbackServices
from desk.database.engine import Database
from desk.history import repository as history
from desk.inquiries.model import ClosedReason
from desk.privacy.subject_access import SubjectAccess
from desk.recordings.recordings import Recordings
from desk.recordings.sound import as_wav
from desk.schema.tables import answers, metadata, recordings
from innringing import app
from tests.integration.test_retention import NOTE, count, everything, lived, traces
from tests.support.desk import sealed_database
from tests.support.desk.desk import as_agent, call, person, phone
from tests.support.desk.sealed_database import old_vault
from tests.support.desk.units import a_unit
from tests.support.fakes import FakeClock


@pytest.fixture
def rights(database: Database, clock: FakeClock) -> SubjectAccess:
    return SubjectAccess(database=database, vault=old_vault(), clock=clock)


async def test_export_contains_everything_stored(
    desk: CallbackServices, database: Database, rights: SubjectAccess
) -> None:
    mine, other = await lived(desk, database, 1), await lived(desk, database, 2)
    alaw = bytes(range(256)) * 40
    await Recordings(database=database, vault=old_vault(), clock=desk.lists._clock).keep(CALLER, mine, alaw)
    whole_export = await rights.export(as_agent("kari"), person(1))
    (callback,) = whole_export["callbacks"]
    assert callback["id"] == mine
    assert callback["patient_number"] == person(1).value
    assert callback["phone"] == phone(1).e164
    assert callback["note"].startswith(NOTE)
    assert callback["attempts"][0]["note"] == NOTE
    assert callback["outbox"][0] | {"phone": "+4740612345", "text": "text 1001"} == callback["outbox"][0]
    assert base64.b64decode(callback["recording"]["wav_base64"]) == as_wav(alaw)
    belonging = {table.name for table in metadata.sorted_tables if "callback_id" in table.c}
    assert belonging - set(callback) <= {"warnings", "recordings", "audit_callbacks"}, (
        "a table of callbacks that the export leaves out"
    )
    text = json.dumps(whole_export)
    assert [trace for trace in traces(2) if trace in text] == []
    assert other not in text
    assert [(row.event, row.actor) for row in await desk.lists.history(SYSTEM, mine)][-1] == (
        "person_exported",
        "kari",
    )
    assert not [row for row in await desk.lists.history(SYSTEM, other) if row.event == "person_exported"]


async def test_export_reports_values_that_do_not_open(
    desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await lived(desk, database, 1)
    wrong = sealed_database.Vault(identity_key=b"w" * 32, index_key=sealed_database.INDEX)
    whole_export = await SubjectAccess(database=database, vault=wrong, clock=clock).export(as_agent("kari"), person(1))
    assert "can't be opened" in whole_export["callbacks"][0]["patient_number"]


async def test_erased_data_cannot_be_recovered(
    desk: CallbackServices, database: Database, rights: SubjectAccess
) -> None:
    ids = [await lived(desk, database, 1)]
    heard = Recordings(database=database, vault=old_vault(), clock=desk.lists._clock)
    await heard.keep(CALLER, ids[0], b"\xd5" * 8000)
    ids.append((await desk.registration.register(CALLER, call(11), "hjerte", person(1), phone(1))).callback.id)
    await desk.outcomes.close(as_agent("kari"), ids[1], ClosedReason.OTHER, fence=None)
    other = await lived(desk, database, 2)
    done = await rights.erase(as_agent("jurist"), person(1))
    assert (sorted(done.deleted), list(done.open), list(done.held)) == (sorted(ids), [], [])
    left = await everything(database)
    assert [trace for trace in (*traces(1), "channel-11") if trace in left] == []
    assert await count(database, recordings) == 0
    assert (await desk.lists.get(SYSTEM, other)).phone == phone(2)
    async with a_unit(database) as unit:
        events = [(row.event, row.actor) for row in await history.of_inquiry(unit, ids[0])]
    assert events[-1] == ("person_erased", "jurist")
    assert (await rights.export(as_agent("kari"), person(1)))["callbacks"] == []
    assert (await rights.erase(as_agent("kari"), person(1))).deleted == []


async def test_open_and_held_callbacks_are_reported_and_kept(
    desk: CallbackServices, database: Database, rights: SubjectAccess
) -> None:
    held = await lived(desk, database, 1)
    await rights.hold(as_agent("jurist"), held, "NPE 17")
    waiting = (await desk.registration.register(CALLER, call(11), "kirurgi", person(1), phone(1))).callback.id
    done = await rights.erase(as_agent("kari"), person(1))
    assert (list(done.deleted), list(done.open), list(done.held)) == ([], [waiting], [held])
    assert (await desk.lists.get(SYSTEM, waiting)).phone == phone(1)
    await rights.lift(as_agent("jurist"), held)
    await desk.outcomes.close(as_agent("kari"), waiting, ClosedReason.OTHER, fence=None)
    assert len((await rights.erase(as_agent("kari"), person(1))).deleted) == 2


async def test_phone_stands_for_callers_without_identity_number(
    desk: CallbackServices, database: Database, rights: SubjectAccess
) -> None:
    nameless = (await desk.registration.register(CALLER, call(1), "kirurgi", None, phone(1))).callback.id
    await desk.outcomes.close(as_agent("kari"), nameless, ClosedReason.OTHER, fence=None)
    named = (await desk.registration.register(CALLER, call(2), "kirurgi", person(2), phone(1))).callback.id
    await desk.registration.record_call(CALLER, call(3), "kirurgi", phone=phone(1), step=IncompleteStep.WELCOME)
    whole_export = await rights.export(as_agent("kari"), phone(1))
    assert [row["id"] for row in whole_export["callbacks"]] == [nameless]
    assert [row["phone"] for row in whole_export["calls"]] == [phone(1).e164]
    done = await rights.erase(as_agent("kari"), phone(1))
    assert (list(done.deleted), done.calls) == ([nameless], 1)
    assert (await desk.lists.get(SYSTEM, named)).phone == phone(1)
    with pytest.raises(CallbackNotFound):
        await desk.lists.get(SYSTEM, nameless)


async def test_stored_answers_are_erased_too(database: Database, clock: FakeClock, rights: SubjectAccess) -> None:
    ids = await sealed_database.fill(database, clock, 11)
    async with database.begin() as connection:
        for n, about in ((1, ids[1]), (2, ids[3])):
            body = old_vault().seal(json.dumps({"id": about}), "answers.answer", n)
            await connection.execute(answers.update().where(answers.c.id == n).values(answer=body))
    assert len((await rights.erase(as_agent("kari"), person(1))).deleted) == 1
    assert await count(database, answers) == 1


# --- the commands


@pytest.fixture
def asked(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in sealed_database.variables(migrated_url, environment="demo").items():
        monkeypatch.setenv(name, value)
    return CliRunner()


async def test_person_commands_export_and_erase(
    asked: CliRunner, desk: CallbackServices, database: Database, clock: FakeClock
) -> None:
    await lived(desk, database, 1)
    clock.advance(timedelta(seconds=1))
    waiting = (await desk.registration.register(CALLER, call(11), "hjerte", person(1), phone(1))).callback.id
    number = f"{person(1).value[:6]} {person(1).value[6:]}\n"

    async def run(*words: str, given: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(asked.invoke, app, ["person", *words, "--by", "kari"], input=given)
        return done.exit_code, done.stdout, done.stderr

    code, out, _ = await run("export", given=number)
    assert code == 0
    assert [row["patient_number"] for row in json.loads(out)["callbacks"]] == [person(1).value] * 2
    code, _, said = await run("erase", given=number)
    assert (code, f"{waiting} is open: close it, then erase again." in said) == (1, True)
    assert "Deleted: 1 callbacks." in said
    code, out, said = await run("export", given="12345678901\n")
    assert (code, out) == (1, "")
    assert "Not a valid national identity number" in said
    assert "12345678901" not in said
    code, out, said = await run("export", "--phone", given="68050001\n")
    assert (code, json.loads(out)["callbacks"]) == (0, [])


def test_number_as_a_command_line_argument_is_refused(asked: CliRunner) -> None:
    done = asked.invoke(app, ["person", "export", person(1).value, "--by", "kari"])
    assert done.exit_code == 2
