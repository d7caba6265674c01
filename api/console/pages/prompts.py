"""The operator's recordings: the script line by line, recorded in the browser or sent as a file, so that a hospital
gets a voice of its own.

The routes read no body before a person is let in: recordings are larger than other requests may be.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from api.console import moments
from api.console.access import PageOperator
from api.console.answers import in_words, on_to
from api.console.rendering import render, words_for
from api.own_commands import CommandFailed
from api.prompts.script import ScriptLine
from api.services import Services
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from api.web.security_headers import MICROPHONE_POLICY
from desk.audit.actions import AuditAction

PREFIX: Final = "/operate/recordings"
LARGEST: Final = 6_000_000
"""Bytes: 20 seconds in stereo with 24 bits at 48 kHz."""
LARGER_BODIES: Final[Mapping[str, int]] = {f"{PREFIX}/": LARGEST}
FORMATS: Final = {b"RIFF": ".wav", b"fLaC": ".flac"}
TYPES: Final = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg"}

router = APIRouter(prefix=PREFIX, include_in_schema=False)

Language = Annotated[str, InPath(pattern="^[a-z]{2,8}$")]
Key = Annotated[str, InPath(pattern="^[a-z0-9_-]{1,80}$")]
Replaces = Annotated[str, Form(pattern="^([0-9a-f]{64})?$")]


@dataclass(frozen=True)
class LineNotice:
    """What is said above a line after something was done with it. `saved`: the line that was read before this one."""

    refusals: Sequence[str] = ()
    advice: Sequence[str] = ()
    saved: str = ""
    status: int = 200


@dataclass(frozen=True)
class RecordedShare:
    """How much of a language is read in by a person."""

    language: str
    recorded: int
    of: int


@router.get("")
@audited(AuditAction.OPERATE)
async def script(
    request: Request,
    access: PageOperator,
    language: Annotated[str, Query(pattern="^[a-z]{2,8}$")] = "nb",
    missing: bool = False,
) -> Response:
    """Show every line of a language, and how many are read in."""
    try:
        lines = await _lines(access.services)
    except CommandFailed as error:
        return _without_script(request, access, error)
    own = [line for line in lines if line.language == language]
    return _page(
        request,
        "recordings.html",
        access,
        progress=_progress(lines),
        language=language,
        missing=missing,
        next_line=_next_missing(own, None),
        places=_by_place([line for line in own if line.is_missing or not missing]),
        changed=sum(not line.built for line in own),
    )


@router.post("/build")
@audited(AuditAction.BUILD_PROMPTS)
async def build(
    request: Request, access: PageOperator, back: Annotated[str, Form(pattern="^[a-z]{2,8}$")] = "nb"
) -> Response:
    """Build at once, so that new calls hear what is recorded."""
    _build(access.services, hurry=True)
    return on_to(f"{PREFIX}?language={back}")


@router.get("/{language}/{key}")
@audited(AuditAction.OPERATE)
async def line(
    request: Request,
    access: PageOperator,
    language: Language,
    key: Key,
    saved: Annotated[str, Query(pattern="^[a-z0-9_-]{0,80}$")] = "",
) -> Response:
    """Show one line to be read aloud."""
    return await _line(request, access, language, key, LineNotice(saved=saved))


@router.get("/{language}/{key}/sound")
@audited(AuditAction.OPERATE)
async def sound(access: PageOperator, language: Language, key: Key) -> Response:
    """Return the recording as it is stored."""
    folder = access.services.settings.files.prompts / language
    for suffix, media_type in TYPES.items():
        file = folder / f"{key}{suffix}"
        if await asyncio.to_thread(file.is_file):
            return Response(await asyncio.to_thread(file.read_bytes), media_type=media_type)
    raise HTTPException(404)


@router.post("/{language}/{key}")
@audited(AuditAction.RECORD_PROMPT)
async def record(request: Request, access: PageOperator, language: Language, key: Key) -> Response:
    """Judge a recording, store it, and go on to the next line that is missing. One with advice is shown again."""
    trace_of(request).why = f"prompt:{language}/{key}"
    words = words_for(request)
    async with request.form(max_files=1, max_fields=4) as form:
        given, replaces = form.get("recording"), form.get("replaces")
        content = await given.read() if isinstance(given, UploadFile) else b""
    suffix = FORMATS.get(content[:4])
    if suffix is None:
        reason = words("recordings.no_sound" if content else "recordings.no_file")
        return await _line(request, access, language, key, LineNotice((reason,), status=422))
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"recording{suffix}"
        await asyncio.to_thread(file.write_bytes, content)
        try:
            done = await _change(request, access, "record", language, key, str(replaces or ""), str(file))
        except CommandFailed as error:
            return await _line(request, access, language, key, LineNotice((in_words(words, error),), status=503))
    if done.refusals or done.advice:
        return await _line(request, access, language, key, done)
    own = [each for each in await _lines(access.services) if each.language == language]
    following = _next_missing(own, key)
    return on_to(f"{PREFIX}/{language}/{following.key}?saved={key}" if following else f"{PREFIX}?language={language}")


@router.post("/{language}/{key}/remove")
@audited(AuditAction.REMOVE_PROMPT_RECORDING)
async def remove(
    request: Request, access: PageOperator, language: Language, key: Key, replaces: Replaces = ""
) -> Response:
    """Remove the recording, so that the draft voice is heard again."""
    return await _changed(request, access, "unrecord", language, key, replaces)


@router.post("/{language}/{key}/restore")
@audited(AuditAction.RESTORE_PROMPT_RECORDING)
async def restore(
    request: Request, access: PageOperator, language: Language, key: Key, replaces: Replaces = ""
) -> Response:
    """Exchange the recording with the former one."""
    return await _changed(request, access, "restore", language, key, replaces)


async def _changed(
    request: Request, access: PageOperator, command: str, language: str, key: str, replaces: str
) -> Response:
    trace_of(request).why = f"prompt:{language}/{key}"
    try:
        done = await _change(request, access, command, language, key, replaces)
    except CommandFailed as error:
        done = LineNotice((in_words(words_for(request), error),), status=503)
    if done.refusals:
        return await _line(request, access, language, key, done)
    return on_to(f"{PREFIX}/{language}/{key}")


async def _change(
    request: Request, access: PageOperator, command: str, language: str, key: str, replaces: str, *file: str
) -> LineNotice:
    """Run a command that changes a recording, and ask for a build. Raises CommandFailed."""
    services = access.services
    spoken = "en" if words_for(request).language == "en" else "nb"  # commands print nothing in nynorsk
    where = ("--prompts-dir", str(services.settings.files.prompts), "--language", language, "--replaces", replaces)
    done = await services.commands.read("--language", spoken, "prompts", command, *where, "--json", "--", key, *file)
    if not done["refusals"]:
        _build(services)
    return LineNotice(done["refusals"], done["advice"], status=422 if done["refusals"] else 200)


def _build(services: Services, *, hurry: bool = False) -> None:
    files = services.settings.files
    options = ("--prompts-dir", str(files.prompts), "--departments-file", str(files.departments))
    services.prompt_builds.ask(services.commands, options, services.clock.now, hurry=hurry)


async def _lines(services: Services) -> Sequence[ScriptLine]:
    return await services.prompt_script.lines(services.commands, services.settings.files.prompts)


async def _line(request: Request, access: PageOperator, language: str, key: str, answer: LineNotice) -> Response:
    try:
        lines = await _lines(access.services)
    except CommandFailed as error:
        return _without_script(request, access, error)
    own = [each for each in lines if each.language == language]
    at = next((at for at, each in enumerate(own) if each.key == key), None)
    if at is None:
        raise HTTPException(404)
    shown = own[at]
    return _page(
        request,
        "recording.html",
        access,
        status=answer.status,
        line=shown,
        recorded=_recorded_at(request, access, shown),
        answer=answer,
        before=own[at - 1] if at else None,
        after=own[at + 1] if at + 1 < len(own) else None,
        missing=_next_missing(own, key),
        progress=next(each for each in _progress(lines) if each.language == language),
    )


def _recorded_at(request: Request, access: PageOperator, line: ScriptLine) -> str:
    if not line.recorded:
        return ""
    return moments.day_and_time(words_for(request), datetime.fromisoformat(line.recorded), access.services.clock.now())


def _without_script(request: Request, access: PageOperator, error: CommandFailed) -> Response:
    """The page where commands can't be run, or the catalogue can't be read."""
    alert = in_words(words_for(request), error)
    empty: dict[str, Any] = {"progress": (), "language": "nb", "missing": False, "next_line": None, "places": ()}
    return _page(request, "recordings.html", access, status=503, alert=alert, changed=0, **empty)


def _page(request: Request, template: str, access: PageOperator, *, status: int = 200, **values: Any) -> Response:
    """Render a page that may use the microphone."""
    state = access.services.prompt_builds.state
    page = render(request, template, access, status=status, **{"alert": None, "builds": state, **values})
    page.headers["Permissions-Policy"] = MICROPHONE_POLICY
    return page


def _progress(lines: Sequence[ScriptLine]) -> list[RecordedShare]:
    languages = dict.fromkeys(line.language for line in lines)
    return [
        RecordedShare(
            language,
            sum(line.language == language and not line.is_missing for line in lines),
            sum(line.language == language for line in lines),
        )
        for language in languages
    ]


def _by_place(lines: Sequence[ScriptLine]) -> list[tuple[str, list[ScriptLine]]]:
    """The lines by where they are heard, in the order in which they are read."""
    places = dict.fromkeys(line.place for line in lines)
    return [(place, [line for line in lines if line.place == place]) for place in places]


def _next_missing(lines: Sequence[ScriptLine], key: str | None) -> ScriptLine | None:
    """The next line to be read after `key`; from the top where none follows."""
    at = next((at for at, line in enumerate(lines) if line.key == key), -1)
    return next((line for line in [*lines[at + 1 :], *lines[: max(at, 0)]] if line.is_missing), None)
