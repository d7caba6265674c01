"""The dial of the callback that a card shows: the newest one, while someone works on it."""

from typing import Any

from api.console.access import PageReader
from desk.access.actor import SYSTEM
from desk.callbacks.model import Callback
from desk.dials.errors import DialNotFound
from desk.dials.model import Dial, DialState
from desk.ids import CallbackId
from desk.inquiries.model import Status


async def latest(access: PageReader, id: CallbackId) -> Dial | None:
    """The newest dial of a callback."""
    try:
        return await access.services.dials.latest(SYSTEM.within(access.actor.scope), id)
    except DialNotFound:
        return None


async def with_its_dial(access: PageReader, callback: Callback) -> tuple[Dial | None, Callback]:
    """The newest dial of a callback that is being worked on, and the callback as it is when that dial has ended."""
    newest = await latest(access, callback.id) if callback.status is Status.CLAIMED else None
    if newest is None or newest.state is not DialState.ENDED:
        return newest, callback
    return newest, await access.services.callbacks.lists.get(access.actor, callback.id)


def shown(newest: Dial | None, callback: Callback) -> dict[str, Any]:
    """The dial of a callback that is being worked on."""
    current = newest if newest and callback.status is Status.CLAIMED and newest.fence == callback.fence else None
    return {"dial": current, "dialling": current is not None and current.state is not DialState.ENDED}
