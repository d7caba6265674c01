"""The console's pages without scripts: everything works by links and forms alone."""

import html
import re

import pytest

from desk.access.actor import SYSTEM
from desk.access.permissions import Role
from desk.callbacks.model import Callback
from desk.dials.model import DialReason
from desk.inquiries.model import Status
from desk.inquiries.notes import LONGEST_NOTE
from desk.numbers.identity_number import holds_identity
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World
from tests.support.web.pages import HTML, Visitor, logged_in, visitor

PASSWORD = "fire ord som ingen gjetter"

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
"""What is stored is tested on both engines by the desk's own tests."""


async def claimed(world: World, who: Visitor) -> Callback:
    callback = await world.rings()
    await who.goes_to(f"/callbacks/{callback.id}")
    await who.sends(f"/callbacks/{callback.id}/claim")
    return callback


async def status(world: World, callback: Callback) -> Status:
    return Status((await world.get(f"/callbacks/{callback.id}"))["status"])


async def test_page_without_a_log_in_leads_to_it_and_back(world: World) -> None:
    await world.token("kari")
    await world.services.logins.set_password("kari", PASSWORD)
    someone = await visitor(world).goes_to("/queue")
    assert str(someone.page.url).endswith("/log-in?after=/queue")
    await someone.sends("/log-in", name="kari", password=PASSWORD)
    assert someone.page.url.path in ("/queue", "/log-in/password")


async def test_wrong_password_keeps_the_name_and_says_so(world: World) -> None:
    await world.token("kari")
    someone = await visitor(world).goes_to("/log-in")
    await someone.sends("/log-in", name="kari", password="feil passord")
    assert someone.page.status_code == 401
    assert "Brukernavn eller passord er feil." in someone.text
    assert someone.forms("/log-in")[0].fields["name"] == "kari"
    assert "feil passord" not in someone.page.text


async def test_demo_is_entered_by_one_click(world: World) -> None:
    await world.services.agents.add(SYSTEM, "demo", Role.AGENT, ["*"])
    someone = await visitor(world).goes_to("/log-in")
    await someone.sends("/log-in/demo")
    assert someone.page.url.path == "/queue"
    assert "demo" in someone.text


async def test_log_in_never_leads_to_another_site(world: World) -> None:
    await world.token("kari")
    await world.services.logins.set_password("kari", PASSWORD)
    someone = await visitor(world).goes_to("/log-in")
    for after in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        fields = {"name": "kari", "password": PASSWORD, "after": after}
        answer = await someone.client.post("/log-in", data=fields, headers=HTML)
        assert answer.headers["location"] == "/queue"


async def test_queue_is_in_claim_order_and_says_urgency_in_words(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    await world.as_("kari", "PATCH", f"/callbacks/{second.id}", json={"priority": "urgent"}, headers={"If-Match": "*"})
    someone = await (await logged_in(world)).goes_to("/queue")
    assert re.findall(r'<tr id="row-([0-9a-f-]+)"', someone.page.text) == [second.id, first.id]
    assert "Haster" in someone.text
    assert synthetic_identity(1) not in someone.page.text


async def test_next_claims_one_callback_even_if_the_form_is_sent_twice(world: World) -> None:
    first, second = await world.rings(1), await world.rings(2)
    someone = await (await logged_in(world)).goes_to("/queue")
    form = someone.forms("/queue/next")[0]
    for _ in range(2):
        answer = await someone.client.post(form.action, data=form.fields, headers=HTML)
        assert answer.headers["location"] == f"/callbacks/{first.id}"
    assert await status(world, second) is Status.WAITING


async def test_next_says_so_when_no_one_waits(world: World) -> None:
    someone = await (await logged_in(world)).goes_to("/queue")
    await someone.sends("/queue/next")
    assert "Ingen venter nå." in someone.text


async def test_unanswered_attempt_says_what_happens_next(world: World) -> None:
    someone = await logged_in(world)
    callback = await claimed(world, someone)
    await someone.sends(f"/callbacks/{callback.id}/attempt", outcome="no_answer", note="prøv mobilen")
    assert "ringes igjen i dag innen klokken 15" in someone.text
    assert "prøv mobilen" in someone.text
    assert await status(world, callback) is Status.WAITING


async def test_reached_patient_closes_the_callback(world: World) -> None:
    someone = await logged_in(world)
    callback = await claimed(world, someone)
    await someone.sends(f"/callbacks/{callback.id}/attempt", outcome="reached")
    assert "avsluttet: nådd" in someone.text
    assert await status(world, callback) is Status.CLOSED


async def test_outcome_of_a_lost_claim_is_refused_in_words(world: World) -> None:
    someone = await logged_in(world)
    callback = await claimed(world, someone)
    form = someone.forms(f"/callbacks/{callback.id}/attempt")[0]
    await someone.sends(f"/callbacks/{callback.id}/release")
    answer = await someone.client.post(form.action, data=form.fields | {"outcome": "reached"}, headers=HTML)
    assert answer.status_code == 409
    assert "Du har den ikke lenger." in answer.text


async def test_note_that_a_colleague_changed_is_shown_next_to_mine(world: World) -> None:
    callback = await world.rings()
    someone = await (await logged_in(world)).goes_to(f"/callbacks/{callback.id}")
    await world.as_("ola", "PATCH", f"/callbacks/{callback.id}", json={"note": "Olas notat"}, headers={"If-Match": "*"})
    await someone.sends(f"/callbacks/{callback.id}/note", note="mitt notat")
    assert someone.page.status_code == 412
    assert "Olas notat" in someone.text
    assert someone.forms(f"/callbacks/{callback.id}/note")[0].fields["note"] == "mitt notat"
    await someone.sends(f"/callbacks/{callback.id}/note")
    assert (await world.get(f"/callbacks/{callback.id}"))["note"] == "mitt notat"


async def test_note_is_saved_whatever_else_has_changed_on_the_card(world: World) -> None:
    callback = await world.rings()
    path = f"/callbacks/{callback.id}"
    await world.as_("ola", "PATCH", path, json={"note": "Ring først\nMannen svarer"}, headers={"If-Match": "*"})
    someone = await (await logged_in(world)).goes_to(path)
    await world.as_("ola", "PATCH", path, json={"priority": "urgent"}, headers={"If-Match": "*"})
    await someone.sends(f"{path}/note", note="Ring først\r\nMannen svarer\r\nHar fått ny time")
    assert someone.page.status_code == 200
    assert (await world.get(path))["note"] == "Ring først\nMannen svarer\nHar fått ny time"


async def test_note_as_long_as_several_calls_make_it_can_be_changed(world: World) -> None:
    callback = await world.rings()
    path = f"/callbacks/{callback.id}"
    someone = await (await logged_in(world)).goes_to(path)
    lines = "\n".join(["vondt i kneet"] * (LONGEST_NOTE // 14))
    assert LONGEST_NOTE - 20 < len(lines) <= LONGEST_NOTE
    await someone.sends(f"{path}/note", note=lines.replace("\n", "\r\n"))
    await (await someone.goes_to(path)).sends(f"{path}/note", note=lines.replace("kneet", "hofta"))
    assert (await world.get(path))["note"] == lines.replace("kneet", "hofta")


@pytest.mark.parametrize(
    "note", [synthetic_identity(77), "\u200b".join(synthetic_identity(77)), "vondt\x00", "\x1b[31m"]
)
async def test_note_that_programs_may_not_write_is_refused_in_every_form(world: World, note: str) -> None:
    who = await logged_in(world, "kari")
    callback = await claimed(world, who)
    path = f"/callbacks/{callback.id}"
    fields = {
        "note": {},
        "attempt": {"outcome": "no_answer", "fence": "1"},
        "close": {"reason": "other", "fence": "1"},
        "transfer": {"department": "hjerte", "fence": "1"},
    }
    for form, more in fields.items():
        await who.goes_to(path)
        csrf = who.forms(f"{path}/note")[0].fields["csrf"]
        answer = await who.client.post(f"{path}/{form}", data={**more, "note": note, "csrf": csrf}, headers=HTML)
        assert answer.status_code == 422, (form, answer.text)
        keeps = form in ("note", "attempt") and not holds_identity(note)
        assert (html.escape(note) in answer.text) is keeps, form
    stored = await world.get(path)
    assert (stored["note"], stored["attempts"], stored["status"]) == (None, [], "claimed")


async def test_claims_count_by_departments_that_exist(world: World) -> None:
    who = await logged_in(world, "kari")
    callback = await world.rings()
    csrf = (await who.goes_to("/queue")).forms("/queue/next")[0].fields["csrf"]
    await who.client.post(
        "/monday/claim", data={"department": "oppdiktet", "id": callback.id, "csrf": csrf}, headers=HTML
    )
    counted = (await world.client.get("/metrics")).text
    assert 'innringing_claims_total{department="kirurgi"} 1.0' in counted
    assert "oppdiktet" not in counted


async def test_whole_number_is_shown_on_demand_only(world: World) -> None:
    callback = await world.rings()
    someone = await (await logged_in(world)).goes_to(f"/callbacks/{callback.id}")
    assert synthetic_identity(1) not in someone.page.text
    await someone.sends(f"/callbacks/{callback.id}/patient")
    assert synthetic_identity(1) in someone.text
    history = await world.get(f"/callbacks/{callback.id}/history")
    assert history["items"][-1]["event"] == "patient_viewed"


async def test_number_in_a_filter_is_never_searched_for_by_address(world: World) -> None:
    await world.rings()
    someone = await (await logged_in(world)).goes_to("/queue?text=68050001")
    assert "Søk ikke etter telefonnummer" in someone.text


async def test_callback_of_another_department_is_not_found(world: World) -> None:
    callback = await world.rings(department="hjerte")
    await world.token("kim", Role.AGENT, ["kirurgi"])
    someone = await (await logged_in(world, "kim")).goes_to(f"/callbacks/{callback.id}")
    assert someone.page.status_code == 404
    assert "finnes ikke" in someone.text


async def test_transfer_returns_to_the_queue(world: World) -> None:
    callback = await world.rings()
    someone = await (await logged_in(world)).goes_to(f"/callbacks/{callback.id}")
    await someone.sends(f"/callbacks/{callback.id}/transfer", department="hjerte")
    assert someone.page.url.path == "/queue"
    assert (await world.get(f"/callbacks/{callback.id}"))["department"] == "hjerte"


async def test_state_of_a_colleagues_dial_has_no_forms(world: World) -> None:
    callback = await claimed(world, await logged_in(world))
    other = await (await logged_in(world, "ola")).goes_to(f"/callbacks/{callback.id}/dial")
    assert (other.page.status_code, other.forms(".*")) == (200, [])


@pytest.mark.parametrize("button", ["dial", "hang-up"])
async def test_phone_that_was_busy_before_the_browser_followed_is_said_on_the_card(world: World, button: str) -> None:
    world.tokens["kari"] = await world.services.agents.add(SYSTEM, "kari", Role.AGENT, ["*"], phone="kari-phone")
    someone = await logged_in(world)
    callback = await claimed(world, someone)
    dials, controller = world.services.dials, "asterisk-1/a"
    taken = []
    if button == "hang-up":
        await someone.sends(f"/callbacks/{callback.id}/dial")
        taken = await dials.take(SYSTEM, controller, limit=1)
    (form,) = someone.forms(f"/callbacks/{callback.id}/{button}")
    answer = await someone.client.post(form.action, data=form.fields, headers=HTML)
    (dial,) = taken or await dials.take(SYSTEM, controller, limit=1)
    await dials.end(SYSTEM, dial, controller, DialReason.BUSY)
    await someone.goes_to(answer.headers["location"])
    assert "ringes igjen" in someone.text
    assert 'id="next-step"' in someone.page.text


async def test_leader_sees_a_card_without_the_agents_actions(world: World) -> None:
    callback = await world.rings()
    await world.token("lise", Role.LEADER)
    someone = await (await logged_in(world, "lise")).goes_to(f"/callbacks/{callback.id}")
    assert someone.page.status_code == 200
    assert someone.forms(f"/callbacks/{callback.id}/.*") == []


async def test_leader_closes_the_queue_and_opens_it_again(world: World) -> None:
    await world.rings()
    await world.token("lise", Role.LEADER, ["kirurgi"])
    someone = await (await logged_in(world, "lise")).goes_to("/desk")
    assert "Hjertepoliklinikken" not in someone.text
    await someone.sends("/desk/kirurgi/closures", until="2026-11-24T08:00")
    assert "må slutte etter at den begynner" in someone.text
    await someone.sends("/desk/kirurgi/closures", reason="closed_illness")
    assert "Sykdom" in someone.text
    assert len(await world.services.callbacks.closures.list_closures(SYSTEM, "kirurgi")) == 1
    await someone.sends("/desk/kirurgi/closures/[0-9]+/end")
    assert "Køen er ikke stengt." in someone.text


async def test_agent_sees_no_form_to_close_a_queue(world: World) -> None:
    someone = await (await logged_in(world)).goes_to("/desk")
    assert someone.page.status_code == 200
    assert someone.forms("/desk/.*") == []


@pytest.mark.parametrize("path", ["/queue/next", "/settings/language", "/log-out", "/session/stay"])
async def test_form_without_its_token_is_refused(world: World, path: str) -> None:
    someone = await logged_in(world)
    answer = await someone.client.post(path, data={"language": "nn", "once": "x" * 20}, headers=HTML)
    assert answer.status_code == 403
    assert "for gammel" in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", None])
async def test_form_of_unknown_origin_is_refused(world: World, site: str | None) -> None:
    someone = await (await logged_in(world)).goes_to("/settings")
    form, headers = someone.forms("/settings/language")[0], HTML | {"Origin": "null"}
    sent = headers | ({"Sec-Fetch-Site": site} if site else {})
    assert (await someone.client.post(form.action, data=form.fields, headers=sent)).status_code == 403


async def test_form_from_another_site_is_refused(world: World) -> None:
    someone = await (await logged_in(world)).goes_to("/settings")
    form = someone.forms("/settings/language")[0]
    answer = await someone.client.post(
        form.action, data=form.fields, headers=HTML | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


async def test_language_is_remembered_and_every_page_is_in_it(world: World) -> None:
    someone = await (await logged_in(world)).goes_to("/settings")
    await someone.sends("/settings/language", language="en")
    assert "Settings" in someone.text
    await someone.goes_to("/queue")
    assert "Take next" in someone.text
    assert '<html lang="en"' in someone.page.text


async def test_token_is_shown_once(world: World) -> None:
    someone = await (await logged_in(world)).goes_to("/settings")
    await someone.sends("/settings/tokens", label="veggskjerm 2")
    (secret,) = re.findall(r'class="secret">(inn_[^<]+)<', someone.page.text)
    answer = await world.client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json()["name"] == "kari"
    await someone.goes_to("/settings")
    assert secret not in someone.page.text


async def test_htmx_request_that_fails_replaces_only_the_alert(world: World) -> None:
    callback = await world.rings()
    someone = await logged_in(world)
    answer = await someone.client.post(
        f"/callbacks/{callback.id}/claim", data={}, headers=HTML | {"HX-Request": "true"}
    )
    assert answer.status_code == 403
    assert answer.headers["hx-retarget"] == "#alert"


async def test_ended_session_asks_the_shell_to_ask_for_a_log_in(world: World) -> None:
    answer = await world.client.get("/queue", headers=HTML | {"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["x-log-in"] == "/log-in"


async def test_page_that_repaints_itself_does_not_prolong_the_session(world: World) -> None:
    someone = await logged_in(world)
    idle = world.services.settings.login.session_limits.idle
    for _ in range(3):
        world.clock.advance(idle / 2)
        await someone.goes_to("/queue", **{"X-Repaint": "1"})
    assert someone.page.url.path == "/log-in"


async def test_program_gets_problem_documents_as_before(world: World) -> None:
    answer = await world.client.get("/api/v1/callbacks")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_policy_of_pages_allows_nothing_inline(world: World) -> None:
    someone = await (await logged_in(world)).goes_to("/queue")
    policy = someone.page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=", someone.page.text)
