"""The audit for auditors: who saw or did what, an extract for one patient, and whether the log is intact."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator

from api.console.access import PageAuditor
from api.console.answers import in_words
from api.console.fields import EMPTY_IS_NONE, AnySlug
from api.console.parts import message_in
from api.console.rendering import render, words_for
from api.web.audit_rules import audited
from api.web.text import PLAIN_TEXT, no_long_number
from desk.access.permissions import Permission
from desk.audit.actions import OUTCOMES, AuditAction, action_in_words, roles_in_words
from desk.audit.anchors import AnchorsChanged
from desk.audit.audit import AuditOutcome
from desk.audit.extract import ExtractLine, as_csv, lines
from desk.audit.repository import AuditFilter, AuditRow
from desk.audit.verify import Verification
from desk.clock import OSLO
from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import parse_identity

router = APIRouter(prefix="/audit", include_in_schema=False)

PAGE_ROWS: Final = 100
LINES_A_STEP: Final = 1000
MOST_LINES: Final = 10_000
LONGEST_CHECK: Final = timedelta(seconds=15)
"""A longer log is verified by the command: a page must not keep a database busy for minutes."""
SHOWN_FAULTS: Final = 50


Day = Annotated[date | None, EMPTY_IS_NONE]
Who = Annotated[str, AfterValidator(no_long_number), Query(max_length=128, pattern=PLAIN_TEXT)]


@dataclass(frozen=True)
class AuditChoice:
    """What the auditor has chosen to see."""

    since: date | None = None
    until: date | None = None
    who: str | None = None
    action: AuditAction | None = None
    department: str | None = None
    outcome: AuditOutcome | None = None
    emergency: bool = False

    def of_desk(self) -> AuditFilter:
        """The filter of the desk; the last day is included."""
        return AuditFilter(
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
            who=self.who,
            action=self.action.value if self.action else None,
            department=self.department,
            outcome=self.outcome.value if self.outcome else None,
            emergency=True if self.emergency else None,
        )

    def address(self, cursor: str) -> str:
        """The address of the next page."""
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        values = {"from" if key == "since" else "to" if key == "until" else key: value for key, value in chosen.items()}
        return "/audit?" + urlencode({key: str(value) for key, value in values.items() if value} | {"cursor": cursor})


@dataclass(frozen=True)
class AuditLine:
    """A row as the page shows it."""

    row: AuditRow
    who: str | None
    roles: str
    action: str
    outcome: str
    departments: str
    callbacks: Sequence[str]


@router.get("")
@audited(AuditAction.LIST_AUDIT)
async def audit(
    request: Request,
    access: PageAuditor,
    since: Annotated[Day, Query(alias="from")] = None,
    until: Annotated[Day, Query(alias="to")] = None,
    who: Who = "",
    action: Annotated[AuditAction | None, EMPTY_IS_NONE, Query()] = None,
    department: AnySlug = "",
    outcome: Annotated[AuditOutcome | None, EMPTY_IS_NONE, Query()] = None,
    emergency: Annotated[bool, Query()] = False,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """List the rows that match every filter, newest first, within the auditor's departments."""
    chosen = AuditChoice(since, until, who or None, action, department or None, outcome, emergency)
    return await _page(request, access, chosen, cursor=cursor)


@router.post("/extract")
@audited(AuditAction.EXTRACT_AUDIT)
async def extract(
    request: Request,
    access: PageAuditor,
    identity: Annotated[str, Form(max_length=20)],
    form: Annotated[Literal["page", "csv"], Form()] = "page",
) -> Response:
    """Show, or download as a file for a spreadsheet, who has read one patient's callbacks."""
    services = access.services
    numbers = services.settings.numbers
    try:
        number = parse_identity(
            identity.replace(" ", ""), allow_test=services.settings.demo, allow_h=numbers.enable_h_numbers
        ).value
    except InvalidIdentity as error:
        return await _page(request, access, AuditChoice(), alert=in_words(words_for(request), error), status=422)
    access.trail.revealed(number)
    found, complete = await _extract(access, number)
    if form == "csv":
        headers = {"Content-Disposition": 'attachment; filename="innsyn.csv"'}
        return Response("\ufeff" + as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)
    return render(request, "audit_extract.html", access, lines=found, complete=complete)


@router.post("/verify")
@audited(AuditAction.AUDIT_VERIFY)
async def verify(request: Request, access: PageAuditor) -> Response:
    """Verify the whole log, with the stored anchors. Only auditors of all departments may."""
    words = words_for(request)
    if not _sees_all(access):
        return await _page(request, access, AuditChoice(), alert=words("audit.not_all"), status=403)
    verifier, anchors = access.services.audit_verifier, access.services.audit_anchors
    try:
        stored = await asyncio.to_thread(anchors.read)
        async with asyncio.timeout(LONGEST_CHECK.total_seconds()):
            found = await verifier.verify([each.anchor for each in stored])
            missing = await verifier.missing_others(stored[-1:])
    except TimeoutError:
        return await _page(request, access, AuditChoice(), alert=words("audit.too_long"), status=503)
    except (OSError, AnchorsChanged):
        return await _page(request, access, AuditChoice(), alert=words("audit.no_anchors"), status=500)
    return render(
        request,
        "audit_verified.html",
        access,
        found=found,
        faults=_faults(found),
        missing=[message_in(each, words.language, access.services.translate) for each in missing],
        anchors=len(stored),
    )


async def _page(
    request: Request,
    access: PageAuditor,
    chosen: AuditChoice,
    *,
    cursor: str | None = None,
    alert: str | None = None,
    status: int = 200,
) -> Response:
    services = access.services
    actor = access.reading(chosen.department) if chosen.department is not None else access.actor
    page = await services.audit.page(actor, chosen.of_desk(), cursor=cursor, limit=PAGE_ROWS)
    departments = services.departments()
    names = {slug: departments[slug].name for slug in departments}
    return render(
        request,
        "audit.html",
        access,
        status=status,
        lines=[_line(row, names) for row in page.items],
        next_page=chosen.address(page.next_cursor) if page.next_cursor else None,
        chosen=chosen,
        actions=sorted(AuditAction, key=lambda each: each.wording),
        outcomes=OUTCOMES,
        departments=[departments.get(slug) for slug in access.departments()],
        sees_all=_sees_all(access),
        alert=alert,
    )


async def _extract(access: PageAuditor, number: str) -> tuple[list[ExtractLine], bool]:
    """Every line about the patient, newest first; False where there are more than the page reads."""
    audit, known = access.services.audit, access.services.departments()
    found: list[ExtractLine] = []
    cursor: str | None = None
    while len(found) < MOST_LINES:
        page = await audit.of_patient(access.actor, number, cursor=cursor, limit=LINES_A_STEP)
        repeats = await audit.repeats(access.actor, page.items)
        found += lines(page.items, lambda slug: known.get(slug).name if slug in known else slug, repeats)
        cursor = page.next_cursor
        if cursor is None:
            return found, True
    return found, False


def _line(row: AuditRow, names: dict[str, str]) -> AuditLine:
    slugs = {row.department, *(each.department for each in row.seen)} - {None}
    return AuditLine(
        row,
        row.who,
        roles_in_words(row.role),
        action_in_words(row.action),
        OUTCOMES.get(row.outcome, row.outcome),
        ", ".join(sorted(names.get(slug, slug) for slug in slugs if slug)),
        list(dict.fromkeys(each.callback_id for each in row.seen)),
    )


def _faults(found: Verification) -> list[dict[str, Any]]:
    return [
        {"seq": each.seq, "last": each.last, "what": each.what.name.lower()} for each in found.faults[:SHOWN_FAULTS]
    ]


def _sees_all(access: PageAuditor) -> bool:
    return access.agent.scope(Permission.AUDIT).departments is None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), OSLO)
