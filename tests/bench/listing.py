"""A list of 50 callbacks over HTTP, compared with the same number of constant bytes and with the smallest request."""

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
ME = "/api/v1/me"
OURS, STATIC, SMALLEST = "list of 50", "the same bytes, static", "GET /me"
NAMES = (STATIC, SMALLEST, OURS)
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


async def one_run(
    name: str, server: ApiProcess, connections: int, seconds: float, *, path: str = PATH, size: int | None = None
) -> Run:
    """Requests on `connections` connections, for `seconds` seconds."""
    process = psutil.Process(server.pid)
    async with contextlib.AsyncExitStack() as open_:
        askers = [await open_.enter_async_context(Asker(server.url, server.token)) for _ in range(connections)]
        for asker in askers:
            answer = await asker.ask(path)
            assert size is None or len(answer) == size
            asker.waits.clear()
        before, begun = sum(process.cpu_times()[:2]), time.perf_counter()

        async def ask(asker: Asker) -> None:
            while time.perf_counter() - begun < seconds:
                await asker.ask(path)

        await asyncio.gather(*map(ask, askers))
        took, spent = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - before
    answers = sum(len(asker.waits) for asker in askers)
    return Run(name, connections, answers / took, spent / answers * 1000)


async def measure(server: Postgres, *, seconds: float, repeats: int) -> list[Run]:
    """The three take turns."""
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
                        for name, one, path, size in (
                            (STATIC, static, PATH, len(body)),
                            (SMALLEST, api, ME, None),
                            (OURS, api, PATH, len(body)),
                        ):
                            runs.append(await one_run(name, one, connections, seconds, path=path, size=size))
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
    for heading in ("", "connections", "answers per second", "÷ static", "÷ GET /me", "ms CPU, server"):
        table.add_column(heading, justify="right")
    for connections in CONNECTIONS:
        for name in NAMES:
            rate, cpu = rate_of(runs, name, connections), cpu_of(runs, name, connections)
            ratios = [f"{rate / rate_of(runs, other, connections):.2f}" for other in (STATIC, SMALLEST)]
            table.add_row(name, str(connections), f"{rate:.0f}", *ratios, f"{cpu:.2f}")
    return table


def rate_of(runs: Sequence[Run], name: str, connections: int) -> float:
    return statistics.median(run.rate for run in runs if (run.contender, run.connections) == (name, connections))


def cpu_of(runs: Sequence[Run], name: str, connections: int) -> float:
    return statistics.median(run.cpu for run in runs if (run.contender, run.connections) == (name, connections))


def verdict(runs: Sequence[Run]) -> str:
    ratios = ", ".join(
        f"{rate_of(runs, OURS, each) / rate_of(runs, SMALLEST, each):.2f} at {each}" for each in CONNECTIONS
    )
    return f"List of 50 ÷ GET /me, by connections: {ratios} (goal: 0.7 at one)."


if __name__ == "__main__":
    serve_static(int(sys.argv[1]), sys.argv[2])
