"""axe-core in a page of a real Chromium: what it finds that people with disabilities could not use."""

from playwright.async_api import Page

from desk.paths import ROOT

AXE = ROOT / "tests" / "console" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: Page) -> list[str]:
    """What axe-core finds on the page, as `rule: where`. It runs outside the page's content security policy."""
    session = await page.context.new_cdp_session(page)
    await session.send("Page.enable")
    tree = await session.send("Page.getFrameTree")
    world = await session.send("Page.createIsolatedWorld", {"frameId": tree["frameTree"]["frame"]["id"]})
    context = world["executionContextId"]
    await session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8"), "contextId": context})
    options = f"{{runOnly: {RULES}, resultTypes: ['violations']}}"
    run = f"axe.run(document, {options}).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html)))"
    found = await session.send(
        "Runtime.evaluate", {"expression": run, "contextId": context, "awaitPromise": True, "returnByValue": True}
    )
    await session.detach()
    return list(found["result"]["value"])
