"""`make screens`: take the pictures of the console again, with their outlines, and write them to docs/screens/.

With a folder as its argument it writes PNG files there instead, to be viewed.
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from desk.schema.migrate import migrate
from tests.screens.pictures import FOLDER, LOOKS, STAGES, WIDTHS, Stage, file_of, outline, outline_of, picture


async def write(stage: Stage, elsewhere: Path | None) -> None:
    for screen in stage.screens:
        for width in WIDTHS:
            for look in LOOKS:
                async with stage.opened(screen, width, look) as page:
                    name = file_of(screen.name, width, look)
                    if elsewhere:
                        (elsewhere / f"{name.stem}.png").write_bytes(await picture(page, width, "png"))
                        continue
                    name.write_bytes(await picture(page, width))
                    if (width, look) == (1280, "light"):
                        outline_of(screen.name).write_text(await outline(page), "utf-8")


async def main(elsewhere: Path | None) -> None:
    (elsewhere or FOLDER).mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite+aiosqlite:///{Path(folder) / 'innringing.db'}"
            await migrate(url)
            async with stage(url, Path(folder)) as set_up:
                await write(set_up, elsewhere)
                print(*sorted(set(set_up.console.faults)), sep="\n")
    print(f"{sum(each.stat().st_size for each in FOLDER.glob('*.webp')) / 1000:.0f} kB")


logging.disable()
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
asyncio.run(main(Path(sys.argv[1]) if sys.argv[1:] else None))
