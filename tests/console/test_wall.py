"""The wall screen without scripts: what it shows, how it is opened, and that its token opens nothing else."""

import logging
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.auth.cookies import SESSION, WALL
from desk.access.actor import CALLER, SYSTEM
from desk.access.agent import WALL_ONLY
from desk.access.permissions import Permission, Role
from desk.accounts.tokens.model import TokenScope
from desk.callbacks.model import CallKey, IncompleteStep
from desk.numbers.phone_number import parse_phone
from tests.support.synthetic import synthetic_identity
from tests.support.web.api import World, refused
from tests.support.web.live import listening_to, served
from tests.support.web.pages import HTML, Visitor, logged_in, visitor

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)

WALL_ROUTES = ("/wall", "/wall/board", "/wall/events?seconds=0")


async def leader(world: World, *departments: str) -> Visitor:
    await world.token("lise", Role.LEADER, departments or ("*",))
    return await logged_in(world, "lise")


async def token(world: World, *departments: str, permissions: frozenset[Permission] = WALL_ONLY) -> str:
    await world.token("lise", Role.LEADER)
    scope = TokenScope(frozenset(departments or ("kirurgi",)), permissions)
    lasting = world.clock.now() + timedelta(days=90)
    return (await world.services.agents.tokens.issue(SYSTEM, "lise", "gangen", scope=scope, expires_at=lasting)).secret


async def screen(world: World, *departments: str) -> Visitor:
    someone = await visitor(world).goes_to("/wall")
    await someone.sends("/wall", token=await token(world, *departments))
    assert someone.page.status_code == 200
    return someone


def figures(someone: Visitor, slug: str = "kirurgi") -> dict[str, str]:
    """The words and figures of a department."""
    part = someone.page.text.split(f'id="wall-{slug}"')[1].split("</section>")[0]
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", part, flags=re.DOTALL)
    return {word: re.sub(r"<.*?>", "", value).strip() for word, value in pairs}


async def test_wall_shows_figures_and_no_patient(world: World) -> None:
    first = await world.rings(1)
    await world.rings(2)
    await world.as_("kari", "POST", f"/callbacks/{first.id}/claim")
    await world.services.callbacks.registration.record_call(
        CALLER, CallKey("node-1", "left"), "kirurgi", phone=parse_phone("+4768050003"), step=IncompleteStep.IDENTITY
    )
    world.clock.advance(timedelta(minutes=12))
    someone = await screen(world)
    shown = figures(someone)
    assert (shown["Venter"], shown["Må ringes snart"], shown["Over tiden"]) == ("1", "0", "0")
    assert (shown["Lengst ventetid"], shown["Arbeider nå"]) == ("12 min", "1")
    assert (shown["Ufullstendige innringinger"], shown["Køen"]) == ("1", "Åpen")
    assert shown["Løfter holdt i dag"] == "Ingen ennå" and "i dag" in shown["Køen er tom"]
    for secret in (
        first.id,
        synthetic_identity(1),
        synthetic_identity(1)[:6],
        "68 05",
        "6805",
        "kari",
        "lise",
        "Hjerte",
    ):
        assert secret not in someone.page.text, secret
    assert "68050003" not in someone.text


async def test_wall_shows_what_is_late_and_the_promises_of_today(world: World) -> None:
    kept, _ = await world.rings(1), await world.rings(2)
    claimed = (await world.as_("kari", "POST", f"/callbacks/{kept.id}/claim")).json()
    await world.post(f"/callbacks/{kept.id}/attempts", {"fence": claimed["fence"], "outcome": "reached"})
    someone = await screen(world)
    world.clock.advance(kept.promise.by - world.clock.now() - timedelta(minutes=10))
    await someone.goes_to("/wall")
    assert (figures(someone)["Må ringes snart"], figures(someone)["Over tiden"]) == ("1", "0")
    world.clock.advance(timedelta(minutes=11))
    await world.services.statistics.tallies.follow()
    await someone.goes_to("/wall")
    shown = figures(someone)
    assert (shown["Må ringes snart"], shown["Over tiden"], shown["Løfter holdt i dag"]) == ("0", "1", "1 av 2")


async def test_closed_queue_is_on_the_wall(world: World) -> None:
    now = world.clock.now()
    await world.services.callbacks.closures.close_queue(
        SYSTEM, "kirurgi", from_=now - timedelta(minutes=1), until=now + timedelta(hours=1)
    )
    someone = await screen(world, "kirurgi", "hjerte")
    assert "Køen er stengt til i dag" in someone.text
    assert (figures(someone)["Køen"], figures(someone, "hjerte")["Køen"]) == ("Stengt", "Åpen")


async def test_token_is_in_no_page_no_address_and_no_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    secret = await token(world)
    someone = await visitor(world).goes_to("/wall")
    with caplog.at_level(logging.DEBUG):
        answer = await someone.client.post("/wall", data={"token": f" {secret} "}, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/wall")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{WALL}=") and "HttpOnly" in cookie and "SameSite=strict" in cookie
    await someone.goes_to("/wall")
    assert secret not in someone.page.text and secret not in caplog.text
    assert someone.page.headers["referrer-policy"] == "no-referrer"
    over_tls = await someone.client.post("https://api.test/wall", data={"token": secret}, headers=HTML)
    assert over_tls.headers["set-cookie"].startswith(f"__Host-{WALL}=") and "Secure" in over_tls.headers["set-cookie"]


async def test_only_a_wall_screens_own_token_opens_the_wall(world: World) -> None:
    full = await world.token("lise", Role.LEADER)
    for secret in (
        full,
        await token(world, permissions=frozenset({Permission.WALL, Permission.READ})),
        await token(world, permissions=frozenset({Permission.READ})),
        "inn_" + "x" * 43,
        "' or 1=1 --",
    ):
        someone = await visitor(world).goes_to("/wall")
        await someone.sends("/wall", token=secret)
        assert someone.page.status_code == 401 and "ikke gyldig for en veggskjerm" in someone.text
        assert "set-cookie" not in someone.page.headers and secret not in someone.page.text
        for path in WALL_ROUTES[1:]:
            answer = await someone.client.get(path, headers={"Cookie": f"{WALL}={secret}"})
            refused(answer, 401, "wall-not-open")
            bearer = await someone.client.get(path, headers={"Authorization": f"Bearer {secret}"})
            refused(bearer, 401, "wall-not-open")


async def test_session_of_a_leader_does_not_open_the_wall(world: World) -> None:
    someone = await leader(world)
    for path in WALL_ROUTES[1:]:
        refused(await someone.client.get(path), 401, "wall-not-open")


async def test_another_site_cannot_put_its_token_on_a_screen_or_take_it_off(world: World) -> None:
    secret = await token(world)
    someone = visitor(world)
    for path in ("/wall", "/wall/leave"):
        answer = await someone.client.post(path, data={"token": secret}, headers={"Origin": "https://evil.example"})
        refused(answer, 403, "cross-site")


async def test_wall_knows_only_its_own_departments(world: World) -> None:
    await world.rings(1, department="hjerte")
    someone = await screen(world, "kirurgi")
    assert 'id="wall-hjerte"' not in someone.page.text and figures(someone)["Venter"] == "0"
    for query in ("?department=hjerte", "?slug=hjerte", "?department=*"):
        await someone.goes_to(f"/wall/board{query}")
        assert 'id="wall-hjerte"' not in someone.page.text


@pytest.mark.parametrize("how", ["revoked", "expired", "withdrawn", "disabled"])
async def test_ended_token_shows_nothing_more(world: World, how: str) -> None:
    someone = await screen(world)
    agents = world.services.agents
    if how == "revoked":
        (found,) = [each for each in await agents.tokens.list(SYSTEM, "lise") if each.scope.is_wall_screen]
        await agents.tokens.revoke(SYSTEM, found.id)
    elif how == "expired":
        world.clock.advance(timedelta(days=91))
    elif how == "withdrawn":
        await agents.withdraw(SYSTEM, "lise", [grant for grant in (await agents.get(SYSTEM, "lise")).grants])
    else:
        await agents.disable(SYSTEM, "lise")
    refused(await someone.client.get("/wall/board"), 401, "wall-not-open")
    refused(await someone.client.get("/wall/events"), 401, "wall-not-open")
    await someone.goes_to("/wall/board")
    assert str(someone.page.url).endswith("/wall"), "a page leads to the form, not to the log-in"
    assert "trukket tilbake eller har gått ut" in someone.text and "wall-kirurgi" not in someone.page.text
    assert WALL not in someone.client.cookies


async def test_leader_makes_sees_and_revokes_a_wall_screen(world: World) -> None:
    lise = await (await leader(world)).goes_to("/desk")
    await lise.goes_to("/desk/wall-screens")
    await lise.sends("/desk/wall-screens", label="ekspedisjonen", department="kirurgi")
    (secret,) = re.findall(r'class="secret">(inn_[^<]+)<', lise.page.text)
    someone = await visitor(world).goes_to("/wall")
    await someone.sends("/wall", token=secret)
    assert "ekspedisjonen" in someone.text and "tilgangen gjelder til" in someone.text
    await lise.goes_to("/settings")
    assert "ekspedisjonen Veggskjerm" in lise.text
    listed = (await world.as_("lise", "GET", "/tokens")).json()["items"]
    assert [each["scope"] for each in listed if each["label"] == "ekspedisjonen"] == [
        {"departments": ["kirurgi"], "permissions": ["wall"]}
    ]
    await lise.goes_to("/desk/wall-screens")
    await lise.sends(r"/desk/wall-screens/\d+/revoke")
    assert "Trukket tilbake" in lise.text
    await someone.goes_to("/wall")
    assert "trukket tilbake" in someone.text


async def test_screen_shown_here_logs_the_leader_out(world: World) -> None:
    lise = await (await leader(world)).goes_to("/desk/wall-screens")
    form = lise.forms("/desk/wall-screens")[0].fields | {"label": "gangen", "department": "kirurgi"}
    answer = await lise.client.post("/desk/wall-screens/here", data=form, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/wall")
    await lise.goes_to("/wall")
    assert figures(lise)["Venter"] == "0"
    assert any(each.startswith(f'{SESSION}=""') for each in answer.headers.get_list("set-cookie"))
    await lise.goes_to("/desk")
    assert lise.page.url.path == "/log-in"


async def test_leader_of_one_department_makes_no_screen_of_another(world: World) -> None:
    lise = await (await leader(world, "kirurgi")).goes_to("/desk/wall-screens")
    await lise.sends("/desk/wall-screens", label="gangen", department="hjerte")
    assert lise.page.status_code == 403 and "inn_" not in lise.page.text


async def test_screen_is_made_only_soon_after_a_log_in(world: World) -> None:
    lise = await (await leader(world)).goes_to("/desk/wall-screens")
    world.clock.advance(timedelta(minutes=11))
    await lise.sends("/desk/wall-screens", label="gangen", department="kirurgi")
    assert lise.page.status_code == 403 and "inn_" not in lise.page.text


async def test_opening_the_wall_is_in_the_audit_without_the_token(world: World) -> None:
    secret = await token(world)
    someone = await visitor(world).goes_to("/wall")
    await someone.sends("/wall", token=secret)
    await world.token("alf", Role.AUDITOR)
    rows = (await world.as_("alf", "GET", "/audit")).json()["items"]
    found = [(row["who"], row["action"], row["outcome"]) for row in rows if "wall" in row["action"]]
    assert ("lise", "open_wall", "done") in found and ("lise", "wall", "done") in found
    assert secret not in str(rows)


async def test_stream_of_the_wall_says_that_something_changed_and_nothing_about_it(
    migrated_url: str, tmp_path: Path
) -> None:
    async with served(migrated_url, tmp_path, recheck_seconds=0.2) as api:
        secret = await token(api.world)
        async with (
            httpx.AsyncClient(trust_env=False, timeout=30) as client,
            client.stream("GET", f"{api.url}/wall/events", headers={"Cookie": f"{WALL}={secret}"}) as answer,
        ):
            parts, text = answer.aiter_text(), ""
            while "event: still" not in text:
                text += await anext(parts)
            await api.world.rings(1, department="hjerte")
            callback = await api.world.rings(2)
            while "event: changed" not in text:
                text += await anext(parts)
            (found,) = [
                each
                for each in await api.world.services.agents.tokens.list(SYSTEM, "lise")
                if each.scope.is_wall_screen
            ]
            await api.world.services.agents.tokens.revoke(SYSTEM, found.id)
            text += "".join([part async for part in parts])  # it ends by itself
        assert text.count("event: changed") == 1, "another department's change is not even a beat"
        assert set(re.findall(r"^data: (.*)$", text, flags=re.MULTILINE)) == {"{}"}
        assert callback.id not in text and not re.search(r"^id:", text, flags=re.MULTILINE)
        async with listening_to(api.url, await api.token("kari")) as others:
            await others.opened()


async def test_stream_of_the_wall_names_no_callback_in_the_audit(migrated_url: str, tmp_path: Path) -> None:
    async with served(migrated_url, tmp_path) as api:
        secret = await token(api.world)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            for _ in range(2):
                callback = await api.world.rings()
                answer = await client.get(f"{api.url}/wall/events?seconds=0", headers={"Cookie": f"{WALL}={secret}"})
                assert answer.status_code == 200
        await api.world.token("alf", Role.AUDITOR)
        rows = (await api.world.as_("alf", "GET", "/audit")).json()["items"]
        assert [row["action"] for row in rows if row["action"] == "wall"] and callback.id not in str(
            [row for row in rows if row["action"] == "wall"]
        )
