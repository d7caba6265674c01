"""The audit's pages: filters, one patient's extract, and whether the log is intact."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from desk.access.permissions import Role
from desk.audit.repository import OtherRows
from ops.messages.translation import norwegian
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World
from tests.support.web.pages import HTML, Visitor, logged_in

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


async def auditor(world: World, *departments: str) -> Visitor:
    await world.token("alf", Role.AUDITOR, departments or ("*",))
    return await logged_in(world, "alf")


async def test_log_is_filtered_by_who_and_what(world: World) -> None:
    callback = await world.rings(1)
    await world.get(f"/callbacks/{callback.id}/patient")
    await world.as_("ola", "GET", f"/callbacks/{callback.id}")
    someone = await (await auditor(world)).goes_to("/audit?action=get_patient&who=&from=2026-11-24&to=2026-11-24")
    rows = someone.page.text.partition("<tbody>")[2]
    assert ("Så hele fødselsnummeret" in rows, "Så tilbakeringingen" in rows) == (True, False)
    assert synthetic_identity(1) not in someone.page.text
    await someone.goes_to("/audit?to=2026-11-23")
    assert "Ingen rader passer" in someone.text
    await someone.goes_to("/audit?who=68050001")
    assert someone.page.status_code == 422


async def test_extract_is_shown_and_downloaded(world: World) -> None:
    callback = await world.rings(1)
    await world.get(f"/callbacks/{callback.id}")
    someone = await (await auditor(world)).goes_to("/audit")
    form = someone.forms("/audit/extract")[0]
    await someone.sends("/audit/extract", identity=synthetic_identity(1), form="page")
    assert "Så tilbakeringingen" in someone.text
    fields = form.fields | {"identity": synthetic_identity(1), "form": "csv"}
    answer = await someone.client.post(form.action, data=fields, headers=HTML)
    assert answer.headers["content-disposition"] == 'attachment; filename="innsyn.csv"'
    assert answer.text.startswith("\ufeffTidspunkt;Navn;")
    assert "Tok ut tilgangsloggen for en pasient" in answer.text  # the extract before this one


async def test_wrong_number_is_refused_in_words(world: World) -> None:
    someone = await (await auditor(world)).goes_to("/audit")
    await someone.sends("/audit/extract", identity="12345678901")
    assert someone.page.status_code == 422
    assert "Fødselsnummeret er ikke riktig." in someone.text


async def test_changed_row_is_found(world: World) -> None:
    someone = await (await auditor(world)).goes_to("/audit")
    await someone.sends("/audit/verify")
    assert "Loggen er uendret." in someone.text
    await someone.goes_to("/audit")
    async with world.database.engine.begin() as connection:
        for name in (await connection.execute(text("select name from sqlite_master where type = 'trigger'"))).scalars():
            await connection.execute(text(f"drop trigger {name}"))
        await connection.execute(text("update audit set who = 'ingen' where seq = 1"))
    await someone.sends("/audit/verify")
    assert "Loggen er endret." in someone.text
    assert "rad 1: endret, eller satt inn" in someone.text


async def test_what_is_gone_of_the_history_is_said_in_norwegian(world: World) -> None:
    world.app.state.services = replace(world.services, translate=norwegian())
    someone = await (await auditor(world)).goes_to("/audit")
    there_were = OtherRows(history_last=9, history_rows=9, emergencies_last=0, emergencies_rows=0, emergencies="")
    world.services.audit_anchors.add(await world.services.audit.anchor(), there_were, world.clock.now())
    await someone.sends("/audit/verify")
    assert '<li lang="nb">9 rader i historikken: fjernet</li>' in someone.page.text


async def test_auditor_of_one_department_may_not_verify_all(world: World) -> None:
    someone = await (await auditor(world, "kirurgi")).goes_to("/audit")
    assert someone.forms("/audit/verify") == []
