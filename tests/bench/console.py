"""The console in a real Chromium: how soon pages show, how soon others see a change, and a whole Monday by keyboard.

One api process, PostgreSQL that syncs each commit, `--rows` callbacks from the phone door:
`python -m tests.bench.console`; with `--pages` only the pages as the server sends them, without a browser.
Times of the server are the client's, over one kept connection on loopback, without the browser. A change is a claim
or a release by an agent; it is seen when the row in the two other windows says so. The Monday has 50 callbacks: all are
sorted on the board ten at a time, then each is claimed and given an outcome, by keys alone.
"""

import argparse
import asyncio
import gzip
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx
import psutil
from playwright.async_api import Browser, BrowserContext, Page, expect
from rich.console import Console
from rich.table import Table

from api.auth.cookies import SESSION
from api.console.assets import assets
from desk.departments.calendar import public_holidays
from ops.machine import postgres
from tests.support.machine.systems import create_database
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring
from tests.support.web.browser import chromium

HTML: Final = {"Accept": "text/html"}
SORTED_AT_ONCE: Final = 10


def figures(times: Sequence[float]) -> tuple[str, str, str]:
    """Median, 99th percentile and longest, in milliseconds."""
    parts = statistics.quantiles(times, n=100)
    return f"{parts[49] * 1000:.0f}", f"{parts[98] * 1000:.0f}", f"{max(times) * 1000:.0f}"


async def log_in(api: ApiProcess) -> str:
    """Log the demo's agent in, as the page does. Returns the session's secret."""
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as client:
        answer = await client.post("/log-in/demo", headers=HTML | {"Origin": api.url})
        return str(answer.cookies[SESSION])


async def pages(api: ApiProcess, secret: str, path: str, count: int) -> tuple[list[float], float, int, int]:
    """Read a page several times. Returns the times, CPU seconds of the api each time, and its bytes."""
    took = []
    process = psutil.Process(api.pid)
    before = sum(process.cpu_times()[:2])
    async with httpx.AsyncClient(base_url=api.url, cookies={SESSION: secret}, trust_env=False, timeout=60) as client:
        for _ in range(count):
            begun = time.perf_counter()
            answer = await client.get(path, headers=HTML)
            took.append(time.perf_counter() - begun)
            assert answer.status_code == 200
    cpu = (sum(process.cpu_times()[:2]) - before) / count
    return took[1:], cpu, len(answer.content), len(gzip.compress(answer.content))


async def window(browser: Browser, api: ApiProcess, secret: str, path: str) -> Page:
    """Open a page in a profile of its own."""
    profile: BrowserContext = await browser.new_context(base_url=api.url, locale="nb-NO")
    await profile.add_cookies([{"name": SESSION, "value": secret, "url": api.url}])
    page = await profile.new_page()
    await page.goto(path)
    return page


async def paints(browser: Browser, api: ApiProcess, secret: str, count: int) -> list[float]:
    """Seconds to the first contentful paint of the queue, each in a fresh profile with an empty cache."""
    found = []
    for _ in range(count):
        page = await window(browser, api, secret, "/queue")
        await page.locator("#rows tr").first.wait_for()
        script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        found.append(float(await page.evaluate(script)) / 1000)
        await page.context.close()
    return found


async def changes(browser: Browser, api: ApiProcess, secret: str, ids: Sequence[str]) -> list[float]:
    """Seconds from an agent's claim until each of two other windows shows it."""
    others = [await window(browser, api, secret, "/queue?department=kirurgi") for _ in range(2)]
    await asyncio.sleep(1)
    seen: list[float] = []

    async def watch(page: Page, id: str, begun: float) -> None:
        await page.locator(f'#row-{id}[data-status="claimed"]').wait_for()
        seen.append(time.perf_counter() - begun)

    async with httpx.AsyncClient(base_url=f"{api.url}/api/v1", headers=api.headers, trust_env=False) as client:
        for id in ids:
            begun = time.perf_counter()
            watching = [asyncio.create_task(watch(page, id, begun)) for page in others]
            (await client.post(f"/callbacks/{id}/claim")).raise_for_status()
            await asyncio.gather(*watching)
    for page in others:
        await page.context.close()
    return seen


async def monday(browser: Browser, api: ApiProcess, secret: str, count: int) -> tuple[float, float, int]:
    """Sort and work through `count` callbacks by keys alone. Returns seconds of sorting, of working, and keys."""
    page = await window(browser, api, secret, "/monday?department=hjerte")
    keys = 0

    async def press(*pressed: str) -> None:
        nonlocal keys
        for key in pressed:
            await page.keyboard.press(key)
            keys += 1

    begun = time.perf_counter()
    await page.locator('#rows input[name="id"]').first.focus()
    for done in range(0, count, SORTED_AT_ONCE):
        for _ in range(SORTED_AT_ONCE - 1):
            await press("Space", "ArrowDown")
        await press("Space", f"Alt+{1 + done // SORTED_AT_ONCE % 4}")
        await expect(page.locator('[data-group^=" "]')).to_have_count(count - done - SORTED_AT_ONCE, timeout=30_000)
    sorted_in = time.perf_counter() - begun
    await page.goto("/queue?department=hjerte")
    begun = time.perf_counter()
    for _ in range(count):
        await press("Alt+n")
        await page.locator('[data-action="outcome-1"]').wait_for()
        await press("Alt+1")
        await page.locator("#next-step").wait_for()
        await press("Alt+l")
        await page.locator("#queue-table").wait_for()
    return sorted_in, time.perf_counter() - begun, keys


async def measure(rows: int, repeats: int, calls: int, *, pages_only: bool) -> Table:
    """Measure everything on one system."""
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as folder, postgres.start(durable=True) as server:
        url = await create_database(server)
        async with open_queue(url, Path(folder)) as desk:
            ids = sorted(await people_ring(desk, "kirurgi", rows))
            await people_ring(desk, "hjerte", calls)
        with running_api(environment(url, Path(folder))) as api:
            secret = await log_in(api)
            table = Table(title=f"The console, {rows} callbacks in the queue; load {os.getloadavg()[0]:.1f}")
            for name in ("", "p50 ms", "p99 ms", "longest ms", "CPU ms", "bytes", "compressed"):
                table.add_column(name, justify="right" if name else "left")
            for path in ("/queue?department=kirurgi", "/monday?department=kirurgi"):
                await pages(api, secret, path, 10)
                took, cpu, size, compressed = await pages(api, secret, path, repeats)
                table.add_row(path, *figures(took), f"{cpu * 1000:.0f}", str(size), str(compressed))
            if pages_only:
                return table
            async with chromium() as browser:
                table.add_row("first paint of the queue", *figures(await paints(browser, api, secret, 7)))
                seen = await changes(browser, api, secret, ids[:20])
                table.add_row("a claim in two other windows", *figures(seen))
                sorting, working, keys = await monday(browser, api, secret, calls)
    own = sum(len(each.compressed) for name, each in assets().items() if name.endswith((".js", ".css")))
    table.add_row("scripts and styles", "", "", "", "", "", str(own))
    table.caption = (
        f"Monday, {calls} callbacks: sorted in {sorting:.0f} s, worked through in {working:.0f} s, {keys} keys"
    )
    return table


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.console", description=__doc__)
    asked.add_argument("--rows", type=int, default=200)
    asked.add_argument("--repeats", type=int, default=60)
    asked.add_argument("--calls", type=int, default=50)
    asked.add_argument("--pages", action="store_true", help="only the pages as the server sends them")
    given = asked.parse_args()
    public_holidays(datetime.now().year)
    table = asyncio.run(measure(given.rows, given.repeats, given.calls, pages_only=given.pages))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
