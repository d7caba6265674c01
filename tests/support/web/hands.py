"""How a person works a page: by mouse alone, or by keyboard alone. The browser's own events are witnesses."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from playwright.async_api import BrowserContext, Page, expect

MOST_TABS: Final = 250
"""More presses than any page needs: the focus goes round without reaching the place."""
SOON: Final = 30_000
"""Milliseconds that a page may take; a limit against hanging, not a measure."""

_WITNESS = """
for (const kind of ["mousedown", "mouseup", "mousemove", "click", "keydown"])
  addEventListener(kind, (event) => {
    if (event.isTrusted && (kind !== "click" || event.detail > 0)) usedHands(kind === "keydown" ? "keyboard" : "mouse");
  }, true);
"""
_FOCUS = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return "nothing has the focus";
  const name = `${here.tagName} ${here.id} ${(here.innerText ?? "").slice(0, 30)}`;
  if (!here.matches(":focus-visible")) return `the focus is not shown: ${name}`;
  const style = getComputedStyle(here);
  const box = here.matches('[type="checkbox"]') ? here.closest("label") ?? here : here;
  const appears = here.matches(".ds-skip-link"); // it is seen only while it has the focus
  if (!appears && style.outlineStyle === "none" && style.boxShadow === "none") return `no ring: ${name}`;
  for (const at of box.getClientRects()) {
    const top = document.elementFromPoint(at.left + Math.min(at.width / 2, 20), at.top + Math.min(at.height / 2, 12));
    if (top && (box.contains(top) || top.contains(here))) return "";
  }
  return `the focus is out of sight: ${name}`;
}"""


class Hands(Protocol):
    """One way to work a page."""

    name: str
    page: Page
    acts: int
    """Clicks or keys so far. The letters of a text are not counted: they are `letters`."""
    letters: int

    async def use(self, selector: str, key: str = "") -> None:
        """Press the button, or follow the link. `key`: its shortcut."""
        ...

    async def choose(self, ids: list[str]) -> None:
        """Choose those callbacks of the board."""
        ...

    async def write(self, selector: str, words: str) -> None:
        """Write in that field, with hands that can."""
        ...

    async def rest(self) -> None:
        """Pause, after something has changed on the page."""
        ...


@dataclass
class MouseHands:
    """Moves and clicks."""

    page: Page
    name: str = "mouse"
    acts: int = 0
    letters: int = 0

    async def use(self, selector: str, key: str = "") -> None:
        await self.page.locator(selector).first.click(timeout=SOON)
        self.acts += 1

    async def choose(self, ids: list[str]) -> None:
        for id in ids:
            await self.use(f'#item-{id} input[name="id"]')

    async def write(self, selector: str, words: str) -> None:
        """Nothing: a mouse writes no words."""

    async def rest(self) -> None:
        """Nothing: there is no focus to see."""


@dataclass
class KeyboardHands:
    """Presses keys. `hidden`: each moment at which the focus could not be seen."""

    page: Page
    name: str = "keyboard"
    hidden: list[str] = field(default_factory=list)
    acts: int = 0
    letters: int = 0

    async def press(self, key: str) -> None:
        await self.page.keyboard.press(key)
        self.acts += 1

    async def use(self, selector: str, key: str = "") -> None:
        await expect(self.page.locator(selector).first).to_be_visible(timeout=SOON)
        if key:
            await self.press(key)
            return
        await self._reach(selector)
        await self.press("Enter")

    async def choose(self, ids: list[str]) -> None:
        await self._reach('#rows input[name="id"]')
        order = await self.page.locator("#rows [data-id]").evaluate_all("rows => rows.map(row => row.dataset.id)")
        wanted = sorted(order.index(id) for id in ids)
        here = order.index(await self._focused_item())
        for place in wanted:
            for _ in range(abs(place - here)):
                await self.press("ArrowDown" if place > here else "ArrowUp")
            here = place
            await self.rest()
            await self.press("Space")

    async def write(self, selector: str, words: str) -> None:
        await self._reach(selector)
        await self.page.keyboard.type(words)
        self.letters += len(words)

    async def rest(self) -> None:
        for patience in (0.0, 0.1, 0.3, 1.0, 3.0, 5.0):  # a page that is swapped has its focus a moment later
            await asyncio.sleep(patience)
            fault = await self.page.evaluate(_FOCUS)
            if not fault:
                return
        self.hidden.append(f"{self.page.url.rpartition('/')[2]}: {fault}")

    async def _reach(self, selector: str) -> None:
        """Press Tab until the focus is there."""
        for _ in range(MOST_TABS):
            if await self.page.evaluate("where => document.activeElement?.matches(where) ?? false", selector):
                return
            await self.press("Tab")
            if await self.page.evaluate("document.activeElement === document.body"):
                await self.press("Tab")  # past the end of the page, the browser itself has the focus once
            await self.rest()
        raise AssertionError(f"Tab never reaches {selector} at {self.page.url}")

    async def _focused_item(self) -> str:
        return str(await self.page.evaluate("document.activeElement.closest('[data-id]').dataset.id"))


async def watch(profile: BrowserContext) -> set[str]:
    """Return the set that will name what pages of that profile are worked with: mouse, keyboard."""
    used: set[str] = set()

    def note(_: Any, what: str) -> None:
        used.add(what)

    await profile.expose_binding("usedHands", note)
    await profile.add_init_script(_WITNESS)
    return used
