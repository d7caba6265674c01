"""`python -m tests.bench.figures`: what the figures of a hospital's year cost to read, with few callbacks and many.

Twenty departments and a year of workdays are loaded (tests/bench/hospital_year.py) and served by one api process. Each
page and file is read over HTTP on one kept connection. The workbook of the year is then opened and recalculated by
LibreOffice, where it is installed, and its numbers are compared with those of the CSV files.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from api.auth.cookies import SESSION
from desk.statistics.export import sheet_name
from desk.statistics.tables import TABLES
from desk.statistics.words import FigureWords
from ops.machine import postgres
from tests.bench.console import log_in
from tests.bench.hospital_year import FIRST, LAST, departments_file, load
from tests.bench.spreadsheet import PROGRAM, differences, sheets_as_csv
from tests.support.machine.systems import create_database
from tests.support.web.api_process import ApiProcess, environment, running_api

SIZES: Final = (10_000, 1_000_000)
TIMES: Final = 15
YEAR: Final = f"from={FIRST}&to={LAST}"
WEEKS: Final = "from=2026-05-04&to=2026-05-31"
STATISTICS: Final = "/api/v1/statistics"
WORKBOOK: Final = f"{STATISTICS}?{YEAR}&format=xlsx"
READ: Final = {
    "page, a year": f"/figures?{YEAR}",
    "page, a year by week": f"/figures?{YEAR}&bucket=week",
    "page, four weeks": f"/figures?{WEEKS}",
    "page, a year, one department": f"/figures?{YEAR}&department=avdeling-1",
    "JSON, a year": f"{STATISTICS}?{YEAR}",
    "JSON, four weeks": f"{STATISTICS}?{WEEKS}",
    "CSV, overview of a year": f"{STATISTICS}?{YEAR}&format=csv",
    "CSV, a year by day": f"{STATISTICS}?{YEAR}&format=csv&table=series&bucket=day",
    "workbook, a year": WORKBOOK,
}


@dataclass(frozen=True)
class Cost:
    """The median time of a read, and the api's CPU for each, in milliseconds."""

    median: float
    cpu: float


async def costs(api: ApiProcess) -> dict[str, Cost]:
    """What each read costs, after one that is not counted."""
    found = {}
    process = psutil.Process(api.pid)
    cookies = {SESSION: await log_in(api)}
    async with httpx.AsyncClient(base_url=api.url, cookies=cookies, trust_env=False, timeout=60) as client:
        for what, path in READ.items():
            took = []
            (await client.get(path, headers={"Accept": "text/html"})).raise_for_status()
            before = sum(process.cpu_times()[:2])
            for _ in range(TIMES):
                start = time.perf_counter()
                await client.get(path, headers={"Accept": "text/html"})
                took.append(1000 * (time.perf_counter() - start))
            cpu = 1000 * (sum(process.cpu_times()[:2]) - before) / TIMES
            found[what] = Cost(statistics.median(took), cpu)
    return found


def opened(api: ApiProcess, folder: Path) -> str:
    """Open the year's workbook in LibreOffice and compare it with the CSV files. Returns what came of it."""
    with httpx.Client(base_url=api.url, headers=api.headers, trust_env=False, timeout=60) as client:
        book = folder / "year.xlsx"
        english = f"{STATISTICS}?{YEAR}&language=en"  # sheets become files, whose names any machine can write
        book.write_bytes(client.get(f"{english}&format=xlsx").content)
        files = {
            sheet_name(FigureWords("en").table(name)): client.get(f"{english}&format=csv&table={name}").text
            for name in TABLES
        }
    if shutil.which(PROGRAM) is None:
        return "not installed"
    start = time.perf_counter()
    sheets, warnings = sheets_as_csv(book)
    took = time.perf_counter() - start
    wrong = differences(sheets, files)
    return f"{len(sheets)} sheets in {took:.1f} s, {len(wrong)} differences {wrong[:3]}, warnings: {warnings or 'none'}"


async def measure(url: str, size: int) -> tuple[dict[str, Cost], str]:
    """Load a year of that size, and read it through an api."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await load(url, size)
        (folder / "departments.toml").write_text(departments_file(), encoding="utf-8")
        with running_api(environment(url, folder, departments_file=str(folder / "departments.toml"))) as api:
            found = await costs(api)
            check = await asyncio.to_thread(opened, api, folder)
    return found, check


def shown(title: str, sizes: Sequence[int], found: Sequence[dict[str, Cost]]) -> Table:
    """Milliseconds and CPU by size, and the ratio of the CPU of the largest to that of the smallest."""
    table = Table("", *(f"{size:,} callbacks".replace(",", " ") for size in sizes), "CPU, ratio", title=title)
    for what in found[0]:
        values = [each[what] for each in found]
        ratio = f"{values[-1].cpu / values[0].cpu:.2f}"
        table.add_row(what, *(f"{each.median:,.0f} / {each.cpu:.0f}" for each in values), ratio)
    return table


async def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.bench.figures", description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    sizes = options.parse_args().sizes
    console = Console(width=120)
    with postgres.start(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        addresses = [await create_database(server) for _ in sizes]
        found = [await measure(address, size) for address, size in zip(addresses, sizes, strict=True)]
        console.print(shown("PostgreSQL, median ms / CPU ms", sizes, [each for each, _ in found]))
        console.print(f"LibreOffice, a year of {sizes[-1]}: {found[-1][1]}")
        small, _ = await measure(f"sqlite+aiosqlite:///{folder}/year.db", sizes[0])
        console.print(shown("SQLite, median ms / CPU ms", sizes[:1], [small]))


if __name__ == "__main__":
    asyncio.run(main())
