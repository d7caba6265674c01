"""Transcripts of rehearsed calls, and the faults found in them. Pure functions."""

from collections.abc import Iterator

from ivr.prompts.catalogue import Catalogue
from ivr.rehearsal.story import OUTCOMES, Story, StoryEvent

ENDINGS = {
    "done": "the call ends normally",
    "switchboard": "the caller is transferred to the switchboard",
    "urgent": "the caller is transferred to the urgent line",
}
MARKS = {"says": "»", "keys": "caller keys", "waits": "caller presses nothing", "speaks": "caller says"}
RECEIPTS = frozenset({"received"})


def lines(story: Story, catalogue: Catalogue) -> Iterator[str]:
    """Write one line per event: `  0:07  » Velkommen …`."""
    for second, kind, text in _merged(story.events, catalogue):
        mark = MARKS.get(kind, "·")
        yield f"  {int(second) // 60}:{int(second) % 60:02}  {mark} {text}".rstrip()
    yield f"        = {story.failure or ENDINGS.get(story.outcome, 'the caller has hung up')}"


def _merged(events: list[StoryEvent], catalogue: Catalogue) -> Iterator[tuple[float, str, str]]:
    """Join consecutive prompts to one sentence and consecutive keys to one number."""
    pending: tuple[float, str, str] | None = None
    for event in events:
        if (event.kind == "desk" and not event.what) or (event.kind == "ends" and event.what in OUTCOMES):
            continue
        text = words(catalogue, event.language, event.what) if event.kind == "says" else event.what
        if not text and event.kind == "says":
            continue
        if pending and pending[1] == event.kind and event.kind in ("says", "keys"):
            pending = (pending[0], event.kind, pending[2] + (" " if event.kind == "says" else "") + text)
            continue
        if pending:
            yield pending
        pending = (event.second, event.kind, text)
    if pending:
        yield pending


def words(catalogue: Catalogue, language: str, prompt: str) -> str:
    """Return the text of a prompt. Empty for a pause."""
    if language not in catalogue.texts or prompt not in catalogue.keys(language):
        return f"[no text: {language}/{prompt}]"
    return catalogue.text(language, prompt)


def faults(story: Story, catalogue: Catalogue) -> list[str]:
    """Find faults in a call: a crash, a call that never ends, a prompt without text, a receipt before the commit."""
    found = [story.failure] if story.failure else []
    stored = False
    for event in story.events:
        stored = stored or (event.kind == "desk" and event.what.startswith(("stored", "on the list")))
        if event.kind != "says":
            continue
        if event.language not in catalogue.texts or event.what not in catalogue.keys(event.language):
            found.append(f"there is no text for {event.what} in {event.language}")
        if event.what in RECEIPTS and not stored:
            found.append("the receipt was played before the callback was stored")
    return list(dict.fromkeys(found))
