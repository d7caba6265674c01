"""The queue's changed rows, sent on the stream of changes to every open page: read once, rendered once for all alike.

If each page asked for the rows that changed, two hundred pages would keep a process busy for a second with one change
(docs/decisions/0048-rows-on-the-stream.md).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fastapi.sse import format_sse_event

from api.console.rendering import environment, macro
from api.console.rows import row_of
from api.console.words import Wording
from api.services import Services
from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import Scope
from desk.callbacks.model import Callback
from desk.database.errors import StorageUnavailable
from desk.history.model import Change
from desk.inquiries.model import InquiryFilter, Status

MOST_ROWS: Final = 20
"""More changes at once than this are only named: the page asks for those rows together."""


@dataclass(frozen=True)
class Viewer:
    """A person with a queue page open. `works`: where the person may work, whose incomplete calls are counted."""

    actor: Actor
    words: Wording
    may_work: bool
    works: Scope
    demo_phone: str | None


@dataclass(frozen=True)
class ChangedRows:
    """The state after some changes, and what has been rendered of it."""

    callbacks: Mapping[str, Callback]
    counts: Mapping[tuple[str, Status], int]
    blocks: dict[tuple[object, ...], bytes] = field(default_factory=dict)


async def rows_after(services: Services, viewer: Viewer, changes: Sequence[Change]) -> bytes:
    """Return the event with the rows that those changes changed. It is empty where pages must ask for them."""
    ids = frozenset(change.callback_id for change in changes if change.callback_id)
    if not 0 < len(ids) <= MOST_ROWS:
        return b""
    upto = changes[-1].id
    try:
        found = await services.recent_reads.get((upto, ids), lambda: _read(services, ids))
        incomplete = 0
        if viewer.may_work:
            count = services.callbacks.incomplete.count
            incomplete = await services.recent_reads.get(
                (upto, viewer.works), lambda: count(SYSTEM.within(viewer.works))
            )
    except StorageUnavailable:
        return b""
    scope = viewer.actor.scope
    seen = {id: each for id, each in found.callbacks.items() if scope.covers(each.department)}
    for each in seen.values():
        viewer.actor.saw(each.id, each.department)
    mine = frozenset(id for id, each in seen.items() if each.claimed_by == viewer.actor.name)
    named = viewer.actor.name if mine else ""
    key = (viewer.words.language, viewer.may_work, scope, mine, named, viewer.demo_phone, incomplete)
    if key not in found.blocks:
        found.blocks[key] = _block(services, viewer, found, seen, ids, incomplete)
    return found.blocks[key]


async def _read(services: Services, ids: frozenset[str]) -> ChangedRows:
    lists = services.callbacks.lists
    page = await lists.queue(SYSTEM, InquiryFilter(ids=ids), limit=MOST_ROWS)
    return ChangedRows({each.id: each for each in page.items}, await lists.counts(SYSTEM))


def _block(
    services: Services,
    viewer: Viewer,
    found: ChangedRows,
    seen: Mapping[str, Callback],
    ids: frozenset[str],
    incomplete: int,
) -> bytes:
    """Render the event. A row that is empty is not to be seen any longer. The page puts in its own CSRF token."""
    lines, departments, now = macro("queue_lines.html", "lines"), services.departments(), services.clock.now()
    rows = dict.fromkeys(ids, "")
    for id, callback in seen.items():
        shown = row_of(viewer.words, callback, departments, agent=viewer.actor.name, now=now)
        rows[id] = lines([shown], viewer.words, viewer.may_work, "", viewer.demo_phone)
    by_status = {
        status.value: sum(
            n for (slug, each), n in found.counts.items() if each is status and viewer.actor.scope.covers(slug)
        )
        for status in (Status.WAITING, Status.CLAIMED, Status.UNREACHABLE)
    }
    around = {"t": viewer.words, "may_work": viewer.may_work, "incomplete": incomplete}
    counts = environment().get_template("queue_counts.html").render(around | by_status)
    data = {"lang": viewer.words.language, "rows": rows, "counts": counts}
    return format_sse_event(event="rows", data_str=json.dumps(data, ensure_ascii=False))
