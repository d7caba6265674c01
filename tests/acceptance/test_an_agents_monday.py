"""An agent's Monday in a real browser with real calls. tests/bench/monday_in_browser.py plays it with fifty."""

from pathlib import Path

from tests.support.web.browser import chromium
from tests.support.web.monday import play

PEOPLE = 6
"""In each of two departments; fifty take minutes."""


async def test_six_callbacks_each_by_mouse_alone_and_by_keyboard_alone_are_all_dealt_with(
    prompts: None, tmp_path: Path
) -> None:
    async with chromium() as browser:
        monday = await play(tmp_path / "var", browser, PEOPLE)
    assert monday.wrong == []
    assert {each.desk.hands: each.used for each in monday.worked} == {"mouse": {"mouse"}, "keyboard": {"keyboard"}}
    assert monday.faults == []
