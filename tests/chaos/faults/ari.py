"""The connection between the phone door and Asterisk."""

import asyncio
from typing import Final

from tests.chaos.faults.kind import LASTS, Kind, Strike
from tests.chaos.world import World


async def cut(world: World) -> None:
    world.ari.cut()
    await asyncio.sleep(LASTS)
    world.ari.restore()


async def cut_briefly(world: World) -> None:
    """End every connection once. They may come back at once."""
    world.ari.cut()
    world.ari.restore()


def frozen(seconds: float, *, websockets_only: bool = False) -> Strike:
    async def strike(world: World) -> None:
        world.ari.freeze(websockets_only=websockets_only)
        await asyncio.sleep(seconds)
        world.ari.restore()

    return strike


def answers(status: int, *, share: float = 1.0, seconds: float = LASTS) -> Strike:
    """Let requests be answered with a status instead of by Asterisk."""

    async def strike(world: World) -> None:
        world.ari.answer(status, share=share)
        if share == 1.0:
            world.ari.cut_websockets()
        await asyncio.sleep(seconds)
        world.ari.restore()

    return strike


async def websocket_cut_often(world: World) -> None:
    for _ in range(4):
        world.ari.cut_websockets()
        await asyncio.sleep(3)


def slow(seconds: float) -> Strike:
    async def strike(world: World) -> None:
        world.ari.delay = seconds
        await asyncio.sleep(2 * LASTS)
        world.ari.restore()

    return strike


KINDS: Final = (
    Kind("ARI: cut 8 s", cut),
    Kind("ARI: cut and back at once", cut_briefly),
    Kind("ARI: websocket cut every 3 s", websocket_cut_often),
    Kind("ARI: frozen 3 s", frozen(3)),
    Kind("ARI: frozen 20 s", frozen(20)),
    Kind("ARI: websocket frozen 8 s", frozen(LASTS, websockets_only=True)),
    Kind("ARI: 401 for 8 s", answers(401)),
    Kind("ARI: 503 for 8 s", answers(503)),
    Kind("ARI: 500 for a tenth of requests", answers(500, share=0.1, seconds=2 * LASTS)),
    Kind("ARI: 150 ms each way", slow(0.15)),
)
