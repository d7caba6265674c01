"""The api is killed and started again while agents work: pages say so, catch up, and lose nothing that was typed."""

import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from api.auth.cookies import SESSION
from desk.callbacks.services import CallbackServices
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring
from tests.support.web.browser import chromium

SOON = 30_000  # milliseconds; a limit against hanging


@dataclass
class Opened:
    """A browser profile of the demo's agent, and the desk behind the api."""

    page: Page
    desk: CallbackServices
    variables: dict[str, str]

    async def callback(self, api: ApiProcess, id: str) -> dict[str, object]:
        async with httpx.AsyncClient(headers=api.headers, trust_env=False) as client:
            return (await client.get(f"{api.url}/api/v1/callbacks/{id}")).raise_for_status().json()


async def opened(stack: AsyncExitStack, variables: dict[str, str], desk: CallbackServices, url: str) -> Opened:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        answer = await client.post("/log-in/demo", headers={"Accept": "text/html", "Origin": url})
    browser = await stack.enter_async_context(chromium())
    profile = await browser.new_context(base_url=url, locale="nb-NO")
    await profile.add_cookies([{"name": SESSION, "value": answer.cookies[SESSION], "url": url}])
    return Opened(await profile.new_page(), desk, variables)


@pytest.mark.parametrize("ends_by", [signal.SIGKILL, signal.SIGTERM])
async def test_page_says_that_the_api_is_away_and_catches_up_when_it_is_back(
    tmp_path: Path, ends_by: signal.Signals
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'innringing.db'}"
    async with AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_queue(url, tmp_path))
        first, second = sorted(await people_ring(desk, "kirurgi", 2))
        variables = environment(url, tmp_path)
        with running_api(variables, ends_by=ends_by) as api:
            agent = await opened(stack, variables, desk, api.url)
            page = agent.page
            await page.goto(f"/callbacks/{first}")
            await page.get_by_role("button", name="Ta denne").click()
            await page.locator("#note").fill("Skal ha ny time i uke 50")
            other = await page.context.new_page()
            await other.goto("/queue")
            await expect(other.locator(f"#rows #row-{second}")).to_be_visible()
        for each in (page, other):
            await expect(each.locator("#connection")).to_be_visible(timeout=SOON)
        await page.get_by_role("button", name="Lagre notatet").click()  # no one is there to save it
        await expect(page.locator("#note")).to_have_value("Skal ha ny time i uke 50")
        (missed,) = await people_ring(desk, "hjerte", 1)
        with running_api(variables, log="api-again.log") as api:
            await expect(other.locator(f"#rows #row-{missed}")).to_be_visible(timeout=SOON)
            for each in (page, other):
                await expect(each.locator("#connection")).to_be_hidden(timeout=SOON)
            await expect(page.locator("#note")).to_have_value("Skal ha ny time i uke 50")
            await page.get_by_role("button", name="Lagre notatet").click()
            await expect(page.locator("#next-step")).to_be_visible(timeout=SOON)
            assert (await agent.callback(api, first))["note"] == "Skal ha ny time i uke 50"
