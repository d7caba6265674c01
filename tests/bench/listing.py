"""A list of 50 callbacks over HTTP, compared with the same number of constant bytes."""

import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvicorn
import uvloop
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.paths import ROOT
from ops.machine.postgres import Postgres
from tests.bench.requests import Asker
from tests.support.machine.systems import create_database
from tests.support.ports import free_port
from tests.support.web.api_process import ApiProcess, environment, running_api
from tests.support.web.api_queue import open_queue, people_ring

PATH = "/api/v1/callbacks?department=kirurgi&status=waiting&limit=50"
OURS, STATIC = "list of 50", "the same bytes, static"
CONNECTIONS = (1, 8, 32)


@dataclass(frozen=True)
class Run:
    """Answers a second, and milliseconds of the server's CPU for each."""

    contender: str
    connections: int
    rate: float
    cpu: float


def serve_static(port: int, file: str) -> None:
    """One route that returns the file's bytes, with uvicorn configured like ours."""
    body = Path(file).read_bytes()

    async def always(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    config = uvicorn.Config(
        Starlette(routes=[Route("/api/v1/callbacks", always), Route("/healthz", always)]),
        port=port,
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    uvloop.run(uvicorn.Server(config).serve())


@contextlib.contextmanager
def running_static(body: bytes, folder: Path) -> Iterator[ApiProcess]:
    port, file = free_port(socket.SOCK_STREAM), folder / "body"
    file.write_bytes(body)
    child = subprocess.Popen([sys.executable, "-m", "tests.bench.listing", str(port), str(file)], cwd=ROOT)
    try:
        yield ApiProcess(f"http://127.0.0.1:{port}", "none", child.pid, file)
    finally:
        child.terminate()
        child.wait()


async def one_run(name: str, server: ApiProcess, connections: int, seconds: float, size: int) -> Run:
    """Requests on `connections` connections, for `seconds` seconds."""
    process = psutil.Process(server.pid)
    async with contextlib.AsyncExitStack() as open_:
        askers = [await open_.enter_async_context(Asker(server.url, server.token)) for _ in range(connections)]
        for asker in askers:
            assert len(await asker.ask(PATH)) == size
            asker.waits.clear()
        before, begun = sum(process.cpu_times()[:2]), time.perf_counter()

        async def ask(asker: Asker) -> None:
            while time.perf_counter() - begun < seconds:
                await asker.ask(PATH)

        await asyncio.gather(*map(ask, askers))
        took, spent = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - before
    answers = sum(len(asker.waits) for asker in askers)
    return Run(name, connections, answers / took, spent / answers * 1000)


async def measure(server: Postgres, *, seconds: float, repeats: int) -> list[Run]:
    """The two take turns."""
    with tempfile.TemporaryDirectory(prefix="innringing-bench-") as name:
        folder = Path(name)
        url = await create_database(server)
        async with open_queue(url, folder) as desk:
            await people_ring(desk, "kirurgi", 60)
        with running_api(environment(url, folder)) as api:
            async with Asker(api.url, api.token) as asker:
                body = await asker.ask(PATH)
            assert len(json.loads(body)["items"]) == 50
            with running_static(body, folder) as static:
                await _answers(static)
                runs = []
                for _ in range(repeats):
                    for connections in CONNECTIONS:
                        for name, one in ((STATIC, static), (OURS, api)):
                            runs.append(await one_run(name, one, connections, seconds, len(body)))
    return runs


async def _answers(server: ApiProcess) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            async with Asker(server.url, server.token) as asker:
                await asker.ask(PATH)
                return
        except OSError:
            await asyncio.sleep(0.1)
    raise AssertionError("the static server did not start")


def shown(runs: Sequence[Run]) -> Table:
    """Medians."""
    table = Table(title="A list of 50 over uvicorn, one process")
    for heading in ("", "connections", "answers per second", "÷ static", "ms CPU, server"):
        table.add_column(heading, justify="right")
    for connections in CONNECTIONS:
        for name in (STATIC, OURS):
            mine = [run for run in runs if (run.contender, run.connections) == (name, connections)]
            rate = statistics.median(run.rate for run in mine)
            cpu = statistics.median(run.cpu for run in mine)
            table.add_row(name, str(connections), f"{rate:.0f}", f"{_ratio(runs, name, connections):.2f}", f"{cpu:.2f}")
    return table


def _ratio(runs: Sequence[Run], name: str, connections: int) -> float:
    medians = [
        statistics.median(run.rate for run in runs if (run.contender, run.connections) == (each, connections))
        for each in (name, STATIC)
    ]
    return medians[0] / medians[1]


def verdict(runs: Sequence[Run]) -> str:
    told = ", ".join(f"{_ratio(runs, OURS, each):.2f} at {each}" for each in CONNECTIONS)
    return f"List of 50 ÷ the same bytes static, by connections: {told} (goal: 0.7)."


if __name__ == "__main__":
    serve_static(int(sys.argv[1]), sys.argv[2])
