"""The console in a real Chromium: live, by keyboard only, and what happens when something fails."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.callbacks.model import Callback
from tests.support.synthetic import synthetic_identity
from tests.support.web.browser import Console, chromium
from tests.support.web.live import served

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
async def console(migrated_url: str, tmp_path: Path) -> AsyncIterator[Console]:
    async with served(migrated_url, tmp_path) as serving, chromium() as browser:
        opened = Console(serving.world, browser, serving.url, [])
        yield opened
        assert opened.faults == []


async def urgent(console: Console, callback: Callback, **changes: Any) -> None:
    answer = await console.world.as_(
        "ola", "PATCH", f"/callbacks/{callback.id}", json=changes, headers={"If-Match": "*"}
    )
    assert answer.status_code == 200


async def test_whole_callback_is_worked_on_by_keyboard_alone(console: Console) -> None:
    first, _ = await console.world.rings(1), await console.world.rings(2)
    page = await console.open("kari")
    await page.keyboard.press("Alt+n")
    await expect(page).to_have_url(re.compile(first.id))
    await page.locator("#attempt-note").focus()
    await page.keyboard.type("la igjen beskjed")
    await page.keyboard.press("Alt+4")
    await expect(page.locator("#next-step")).to_contain_text("ringes igjen")
    await page.keyboard.press("Alt+l")
    await expect(page).to_have_url(re.compile("/queue$"))
    await page.keyboard.press("Alt+n")
    await expect(page.locator("#card")).to_be_visible()
    await page.keyboard.press("Alt+e")
    await expect(page.locator("#queue-table")).to_be_visible()
    shown = await console.world.get(f"/callbacks/{first.id}")
    assert [each["note"] for each in shown["attempts"]] == ["la igjen beskjed"]


async def test_after_an_outcome_its_words_have_the_focus_and_one_key_takes_the_next(console: Console) -> None:
    first, second = await console.world.rings(1), await console.world.rings(2)
    page = await console.open("kari")
    await page.keyboard.press("Alt+n")
    await expect(page).to_have_url(re.compile(first.id))
    await expect(page.locator("h1")).to_be_focused()
    await page.keyboard.press("Alt+u")
    await expect(page.locator(".tags")).to_contain_text("Haster")
    await page.keyboard.press("Alt+2")
    await expect(page.locator("#next-step")).to_contain_text("ringes igjen")
    await expect(page.locator("#next-step")).to_be_focused()
    await page.keyboard.press("Alt+n")
    await expect(page).to_have_url(re.compile(second.id))


async def test_forms_that_load_a_whole_page_work_in_a_browser(console: Console) -> None:
    await console.world.services.agents.add(SYSTEM, "demo", Role.AGENT, ["*"])
    await console.world.token("kari")
    await console.world.services.logins.set_password("kari", "fire ord som ingen gjetter")
    page = await console.page(await console.browser.new_context(base_url=console.address, locale="nb-NO"), "/")
    await page.get_by_role("button", name="Logg inn i demoen").click()
    await expect(page.locator("#queue-table")).to_be_visible()
    await page.get_by_role("button", name="Logg ut").click()
    await page.get_by_label("Brukernavn").fill("kari")
    await page.get_by_label("Passord").fill("fire ord som ingen gjetter")
    await page.get_by_role("button", name="Logg inn", exact=True).click()
    await page.get_by_role("link", name="Innstillinger").click()
    await page.locator("#language").select_option("en")
    await page.get_by_role("button", name="Lagre").click()
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()


async def test_alt_gr_writes_letters_and_fires_no_shortcut(console: Console) -> None:
    callback = await console.world.rings()
    page = await console.open("kari", f"/callbacks/{callback.id}")
    await page.locator("#note").focus()
    for key in ("Control+Alt+e", "Control+Alt+n"):
        await page.keyboard.press(key)
    await expect(page.locator("#card")).to_be_visible()
    assert (await console.world.get(f"/callbacks/{callback.id}"))["status"] == "waiting"


async def test_shortcut_is_changed_and_switched_off(console: Console) -> None:
    await console.world.rings()
    page = await console.open("kari")
    await page.keyboard.press("Alt+Shift+K")
    field = page.locator('[data-key-action="next"]')
    await field.focus()
    await page.keyboard.press("Alt+j")
    await expect(field).to_have_value("Alt+J")
    await page.locator("#keys-on").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Alt+j")
    await expect(page.locator("#queue-table")).to_be_visible()
    await page.keyboard.press("Alt+Shift+K")
    await page.locator("#keys-on").check()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Alt+j")
    await expect(page.locator("#card")).to_be_visible()
    await page.get_by_role("button", name="Logg ut").click()  # which clears what the browser has stored
    await expect(page.get_by_label("Brukernavn")).to_be_visible()
    again = await console.open("kari", profile=page.context)
    await again.keyboard.press("Alt+Shift+K")
    await expect(again.locator('[data-key-action="next"]')).to_have_value("Alt+J")


async def test_new_callback_and_a_colleagues_claim_show_by_themselves(console: Console) -> None:
    first = await console.world.rings(1)
    page, ola = await console.open("kari"), await console.open("ola")
    second = await console.world.rings(2)
    await expect(page.locator(f"#row-{second.id}")).to_be_visible()
    await ola.locator(f"#row-{first.id} button").click()
    await expect(page.locator(f"#row-{first.id}")).to_contain_text("Tatt av ola")
    await expect(page.locator("#counts")).to_contain_text("1 er tatt")


async def test_backlog_is_sorted_by_keyboard_alone_while_a_colleague_works(console: Console) -> None:
    arrived = [await console.world.rings(n) for n in (1, 2, 3, 4)]
    page, ola = await console.open("kari", "/monday"), await console.open("ola", "/monday")
    await page.locator(f"#item-{arrived[0].id} input").focus()
    for key in ("Space", "ArrowDown", "Space", "Alt+2"):
        await page.keyboard.press(key)
    await expect(page.locator("#board [role=status]").filter(has_text="2 er sortert.")).to_be_visible()
    await expect(page.locator(f"#item-{arrived[2].id} input")).to_be_focused()
    await expect(ola.locator("section", has_text="Resept").locator("li")).to_have_count(2)
    await page.keyboard.press("Space")
    await ola.get_by_role("button", name="Velg alle: Uten tema").click()
    await ola.get_by_role("button", name="Ta de valgte").click()
    await expect(ola.locator("#queue-table")).to_be_visible()
    await expect(page.locator(f"#item-{arrived[3].id}")).to_have_attribute("data-gone", "")
    await expect(page.locator("#board > .bar #counts")).to_contain_text("2 venter")
    sorted_ = [(await console.world.get(f"/callbacks/{each.id}"))["topic"] for each in arrived]
    assert sorted_ == ["resept", "resept", None, None]


async def test_row_never_moves_under_the_pointer(console: Console) -> None:
    first = await console.world.rings(1)
    page = await console.open("kari")
    await page.locator(f"#row-{first.id} a").hover()
    second = await console.world.rings(2)
    await expect(page.locator("#show-new")).to_have_text("Oppdater (1 ny)")
    await expect(page.locator(f"#row-{second.id}")).to_have_count(0)
    await page.locator("#show-new").click()
    await expect(page.locator(f"#row-{second.id}")).to_be_visible()


async def test_paused_list_stays_as_it_is(console: Console) -> None:
    page = await console.open("kari")
    await page.locator("#pause").check()
    second = await console.world.rings(2)
    await asyncio.sleep(1.5)  # longer than any change takes to show
    await expect(page.locator(f"#row-{second.id}")).to_have_count(0)
    await page.locator("#pause").uncheck()
    await expect(page.locator(f"#rows #row-{second.id}")).to_be_visible()


async def test_lost_connection_is_shown_and_what_was_missed_is_caught_up(console: Console) -> None:
    page = await console.open("kari")
    notice = page.locator("#connection")
    await page.context.set_offline(True)
    await expect(notice).to_be_visible()
    missed = await console.world.rings(2)
    await page.context.set_offline(False)
    await expect(page.locator(f"#row-{missed.id}")).to_be_visible(timeout=15_000)
    await expect(notice).to_be_hidden()
    console.faults[:] = [each for each in console.faults if "ERR_" not in each and "Failed to fetch" not in each]


async def test_screen_reader_hears_each_row_by_its_promise_and_what_can_be_done(console: Console) -> None:
    callback = await console.world.rings(1)
    await urgent(console, callback, priority="urgent")
    page = await console.open("kari")
    await expect(page.locator("#queue-table")).to_match_aria_snapshot(
        """
        - table "Tilbakeringinger i den rekkefølgen de skal tas":
          - rowgroup:
            - row:
              - columnheader "Lovet"
              - columnheader "Telefon"
              - columnheader "Pasient"
              - columnheader "Avdeling"
              - columnheader "Status"
              - columnheader "Notat"
              - columnheader "Handlinger"
          - rowgroup:
            - row:
              - rowheader /i dag innen 15:00 Haster/:
                - link "i dag innen 15:00"
              - cell "68 05 00 01"
              - cell /resten av nummeret er skjult/
              - cell "Kirurgisk poliklinikk"
              - cell /Venter Ringte/
              - cell ""
              - cell:
                - button "Ta 68 05 00 01"
        """
    )


async def test_second_tab_of_a_browser_shares_the_stream(console: Console) -> None:
    page = await console.open("kari")
    other = await console.page(page.context, "/queue")
    arrived = await console.world.rings(3)
    for each in (page, other):
        await expect(each.locator(f"#row-{arrived.id}")).to_be_visible()
    await page.close()
    later = await console.world.rings(4)
    await expect(other.locator(f"#row-{later.id}")).to_be_visible()


async def test_note_being_written_survives_an_outcome_and_a_colleagues_change(console: Console) -> None:
    callback = await console.world.rings()
    page = await console.open("kari", f"/callbacks/{callback.id}")
    await page.get_by_role("button", name="Ta denne").click()
    await expect(page.get_by_role("button", name="Svarte ikke")).to_be_visible()
    await page.locator("#note").fill("halvferdig notat")
    await urgent(console, callback, priority="urgent")
    await expect(page.locator("#newer")).to_be_visible()
    await page.get_by_role("button", name="Svarte ikke").click()
    await expect(page.locator("#next-step")).to_be_visible()
    await expect(page.locator("#note")).to_have_value("halvferdig notat")


async def test_unfinished_note_never_moves_to_the_next_patients_card(console: Console) -> None:
    await console.world.rings(1)
    second = await console.world.rings(2)
    page = await console.open("kari")
    await page.keyboard.press("Alt+n")
    await expect(page.get_by_role("button", name="Svarte ikke")).to_be_visible()
    await page.locator("#note").fill("gjelder bare den første")
    await page.get_by_role("button", name="Svarte ikke").click()
    await expect(page.locator("#next-step")).to_be_visible()
    await expect(page.locator("#note")).to_have_value("gjelder bare den første")
    await page.keyboard.press("Alt+n")
    await expect(page).to_have_url(re.compile(second.id))
    await expect(page.locator("#card")).to_have_attribute("data-id", second.id)
    await expect(page.locator("#note")).to_have_value("")


async def test_card_can_be_loaded_again_after_an_outcome(console: Console) -> None:
    callback = await console.world.rings()
    page = await console.open("kari")
    await page.keyboard.press("Alt+n")
    await page.get_by_role("button", name="Svarte ikke").click()
    await expect(page.locator("#next-step")).to_be_visible()
    await page.reload()
    await expect(page).to_have_url(re.compile(f"{callback.id}$"))
    await expect(page.locator("#card")).to_have_attribute("data-id", callback.id)


@pytest.mark.parametrize("field", ["#note", "#attempt-note"])
async def test_refused_note_stays_where_it_was_typed(console: Console, field: str) -> None:
    """The server does not send it back, since it holds an identity number."""
    await console.world.rings()
    page = await console.open("kari")
    await page.keyboard.press("Alt+n")
    typed = f"Pårørende har nummer {synthetic_identity(77)}"
    await page.locator(field).fill(typed)
    button = "Lagre notatet" if field == "#note" else "Svarte ikke"
    async with page.expect_response(lambda answer: answer.status == 422):
        await page.get_by_role("button", name=button).click()
    await expect(page.locator("#main").get_by_role("alert")).to_contain_text("fødselsnummer")
    await expect(page.locator(field)).to_have_value(typed)
    console.faults[:] = [fault for fault in console.faults if "422" not in fault]


async def test_dial_that_has_ended_offers_to_ring_again(console: Console) -> None:
    world = console.world
    world.tokens["per"] = await world.services.agents.add(SYSTEM, "per", Role.AGENT, ["*"], phone="per-phone")
    callback = await world.rings()
    page = await console.open("per", f"/callbacks/{callback.id}")
    await page.get_by_role("button", name="Ta denne").click()
    await page.get_by_role("button", name="Ring", exact=True).click()
    await expect(page.get_by_role("button", name="Legg på")).to_be_visible()
    world.clock.advance(timedelta(seconds=40))  # no exchange takes it
    await world.services.dials.end_forgotten(SYSTEM)
    await expect(page.get_by_role("button", name="Ring", exact=True)).to_be_visible()
    await expect(page.locator("#dial")).to_contain_text("sentralen svarte ikke")


async def test_session_that_ends_in_the_middle_of_a_note_loses_nothing(console: Console) -> None:
    await console.world.token("kari")
    await console.world.services.logins.set_password("kari", "fire ord som ingen gjetter")
    callback = await console.world.rings()
    page = await console.open("kari", f"/callbacks/{callback.id}")
    await page.locator("#note").fill("dette må ikke bli borte")
    console.world.clock.advance(console.world.services.settings.login.session_limits.absolute)
    await page.get_by_role("button", name="Lagre notatet").click()
    dialog = page.locator("#log-in-dialog")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Passord").fill("feil")
    await dialog.get_by_role("button", name="Logg inn").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("Passord").fill("fire ord som ingen gjetter")
    await dialog.get_by_role("button", name="Logg inn").click()
    await expect(dialog).not_to_be_visible()
    await expect(page.locator("#note")).to_have_value("dette må ikke bli borte")
    await page.get_by_role("button", name="Lagre notatet").click()
    await expect(page.locator("#next-step")).to_be_visible()
    assert (await console.world.get(f"/callbacks/{callback.id}"))["note"] == "dette må ikke bli borte"
    console.faults[:] = [fault for fault in console.faults if "401" not in fault]


async def test_list_of_a_session_that_has_ended_stays_and_asks_for_a_log_in(console: Console) -> None:
    page = await console.open("kari")
    first = await console.world.rings(1)
    await expect(page.locator(f"#row-{first.id}")).to_be_visible()
    console.world.clock.advance(console.world.services.settings.login.session_limits.absolute)
    await console.world.rings(2)
    await expect(page.locator("#log-in-dialog")).to_be_visible()
    await expect(page.locator(f"#row-{first.id}")).to_have_count(1)
    await expect(page.locator("#log-in")).to_have_count(0)
    console.faults[:] = [fault for fault in console.faults if "401" not in fault]
