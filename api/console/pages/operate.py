"""The operator's page: how every part is, the operators' files, rehearsed calls, and texts that did not arrive."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from api.console.access import PageOperator
from api.console.answers import in_words
from api.console.doors import doors_now
from api.console.fields import FormSlug
from api.console.rendering import render, words_for
from api.health.components import components
from api.own_commands import LONGEST, CommandFailed
from api.web.audit_rules import audited
from api.web.problems import Statuses
from desk.access.actor import SYSTEM
from desk.access.permissions import Permission
from desk.audit.actions import AuditAction

router = APIRouter(prefix="/operate", include_in_schema=False)

STATUSES: Final[Statuses] = {CommandFailed: 503}
PATIENT: Final = f"timeout:{int((LONGEST + timedelta(seconds=10)).total_seconds() * 1000)}"
"""How long the page waits for an answer that a command gives, in milliseconds: longer than the command may take."""
RECENT: Final = timedelta(days=7)
CALLERS: Final = (
    *("quick", "slow", "mistyping", "silent", "withheld", "skipping", "person"),
    *("english", "asking", "unsure", "urgent", "again", "declining"),
)
"""The simulated callers of `innringing rehearse`; a test holds the two lists together."""
PROMPT: Final = "^[a-z0-9_]{1,80}$"
MOST_PROMPTS: Final = 60


@dataclass(frozen=True)
class RehearsedCall:
    """A rehearsed call as the page shows it. `sound`: the address at which its prompts are heard."""

    title: str
    lines: list[str]
    faults: list[str]
    sound: str | None


@router.get("")
@audited(AuditAction.OPERATE)
async def operate(request: Request, access: PageOperator) -> Response:
    """Show how every part is, and the texts of the last week that did not arrive."""
    return await _page(request, access)


@router.post("/check")
@audited(AuditAction.OPERATE)
async def check(request: Request, access: PageOperator) -> Response:
    """Check the operators' files as `innringing check` does."""
    try:
        faults = await access.services.commands.read("check", "--json", *_language(request))
    except CommandFailed as error:
        return await _failed(request, access, error)
    return await _page(request, access, faults=faults)


@router.post("/rehearse")
@audited(AuditAction.OPERATE)
async def rehearse(
    request: Request,
    access: PageOperator,
    department: FormSlug,
    caller: Annotated[str, Form(max_length=32, pattern="^[a-z]+$")],
) -> Response:
    """Let a simulated caller call the department, and show what is said and keyed."""
    access.services.departments().get(department)
    if caller not in CALLERS:
        caller = CALLERS[0]
    try:
        found = await access.services.commands.read(
            "rehearse", department, "--caller", caller, "--json", *_language(request)
        )
    except CommandFailed as error:
        return await _failed(request, access, error)
    calls = [RehearsedCall(each["title"], each["lines"], each["faults"], _sound(each)) for each in found]
    return await _page(request, access, calls=calls, rehearsed=(department, caller))


@router.get("/sound")
@audited(AuditAction.OPERATE)
async def sound(
    access: PageOperator,
    language: Annotated[Literal["nb", "nn", "en"], Query()],
    prompt: Annotated[list[Annotated[str, Query(pattern=PROMPT)]], Query(max_length=MOST_PROMPTS)],
) -> Response:
    """Return the built prompts, one after another, as a WAV file."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        await access.services.commands.run("prompts", "say", *prompt, "--language", language, "--out", str(out))
        try:
            content = await asyncio.to_thread(out.read_bytes)
        except OSError:
            raise CommandFailed from None
    return Response(content, media_type="audio/wav")


async def _page(
    request: Request,
    access: PageOperator,
    *,
    faults: list[dict[str, Any]] | None = None,
    calls: list[RehearsedCall] | None = None,
    rehearsed: tuple[str, str] = ("", ""),
    alert: str | None = None,
    status: int = 200,
) -> Response:
    services = access.services
    departments = services.departments()
    since = services.clock.now() - RECENT
    missed = await services.outbox.undelivered(access.acting(Permission.OPERATE), since)
    return render(
        request,
        "operate.html",
        access,
        status=status,
        components=await components(services),
        doors=await doors_now(services, words_for(request).language),
        patient=PATIENT,
        missed=[(departments[slug].name if slug in departments else slug, *rest) for slug, *rest in missed],
        backlog=await services.outbox.backlog(SYSTEM),
        departments=departments.all(),
        callers=CALLERS,
        available=services.commands.available,
        faults=faults,
        calls=calls,
        builds=services.prompt_builds.state,
        rehearsed=rehearsed,
        alert=alert,
    )


async def _failed(request: Request, access: PageOperator, error: CommandFailed) -> Response:
    return await _page(request, access, alert=in_words(words_for(request), error), status=503)


def _language(request: Request) -> tuple[str, str]:
    """The option that has a command print its messages in the reader's language; there are none in nynorsk."""
    return "--language", "en" if words_for(request).language == "en" else "nb"


def _sound(call: dict[str, Any]) -> str | None:
    if not call["prompts"]:
        return None
    chosen = [("language", call["language"]), *(("prompt", key) for key in call["prompts"][:MOST_PROMPTS])]
    return f"/operate/sound?{urlencode(chosen)}"
