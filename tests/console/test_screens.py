"""The pictures in docs/ still show the console: same landmarks, headings and controls, and each described in words."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from desk.paths import ROOT
from tests.screens.pictures import FOLDER, LOOKS, STAGES, WIDTHS, Stage, file_of, outline, outline_of

DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
MOST_BYTES = 1_500_000
PICTURE = re.compile(
    r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)" width="(?P<width>\d+)"></picture>'
)
SCROLLS_SIDEWAYS = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)"
AGAIN = "the page has changed: run `make screens`, look at the pictures, and read what docs/ says of them"


def shown() -> list[re.Match[str]]:
    """Every picture of a document."""
    return [found for each in DOCUMENTS for found in PICTURE.finditer(each.read_text("utf-8"))]


def width_of(file: Path) -> int:
    """The width of a WebP file with the extended header, as Chromium writes them."""
    content = file.read_bytes()
    assert content[:4] == b"RIFF" and content[8:16] == b"WEBPVP8X", file
    return int.from_bytes(content[24:27], "little") + 1


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
async def test_pages_are_what_the_pictures_show(
    migrated_url: str, tmp_path: Path, stage: Callable[[str, Path], AbstractAsyncContextManager[Stage]]
) -> None:
    described = {Path(each["light"]).stem: each["alt"] for each in shown()}
    async with stage(migrated_url, tmp_path) as made:
        for screen in made.screens:
            for width in WIDTHS:
                async with made.opened(screen, width) as page:
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width
                    words = " ".join((await page.locator("body").inner_text()).split())
                    if width == 1280:
                        assert await page.locator(".scroll").evaluate_all(SCROLLS_SIDEWAYS) == []
                        assert await outline(page) == outline_of(screen.name).read_text("utf-8"), AGAIN
                for quoted in re.findall("«([^»]+)»", described[file_of(screen.name, width, "light").stem]):
                    assert quoted in words, AGAIN
        assert made.console.faults == []


def test_each_picture_is_small_described_and_used_once() -> None:
    files = {path.name for path in FOLDER.iterdir()}
    names = {name.removesuffix(".outline") for name in files if name.endswith(".outline")}
    assert len(names) >= 5
    assert files == {f"{name}.outline" for name in names} | {
        file_of(name, width, look).name for name in names for width in WIDTHS for look in LOOKS
    }
    used = [(each[look], int(each["width"])) for each in shown() for look in LOOKS]
    assert sorted(path for path, _ in used) == sorted(f"screens/{name}" for name in files if name.endswith(".webp"))
    for path, width in used:
        assert f"-{width}-" in path
        assert width_of(ROOT / "docs" / path) == width
    assert sum((FOLDER / name).stat().st_size for name in files) <= MOST_BYTES
    assert all(len(each["alt"]) > 40 for each in shown())
