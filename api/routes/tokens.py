"""Tokens of programs: make one, see them, end one. Thin: what may be made and ended is the desk's to say."""

from typing import Final

from fastapi import APIRouter, Request

from api.auth.access import Access, AgentQuery, SignedIn, check_manages
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, Limit, Number
from api.schemas.tokens import TokenIn, TokenMadeOut, TokenOut, TokenPage
from api.web.middleware.trace import trace_of
from api.web.problems import Statuses
from desk.accounts.errors import (
    NarrowedToken,
    ProvidersPerson,
    TokenNotFound,
    TokenOutlives,
    TokenTooWide,
    TooManyTokens,
)
from desk.accounts.tokens.service import in_words

router = APIRouter(prefix=f"{API}/tokens", tags=["tokens"])

STATUSES: Final[Statuses] = {
    NarrowedToken: 403,
    TokenTooWide: 403,
    TokenOutlives: 403,
    ProvidersPerson: 403,
    TokenNotFound: 404,
    TooManyTokens: 409,
}


@router.get(
    "", operation_id="list_tokens", responses=problems((404, "There is no such agent within your departments."))
)
async def list_tokens(
    access: SignedIn, agent: AgentQuery = None, cursor: Cursor = None, limit: Limit = 50
) -> TokenPage:
    """Your tokens, and with `manage` those of the agents whose every role is in your departments; newest first.

    Also those that have expired or were revoked. What opens is in none.
    """
    check_manages(access.agent, agent)
    page = await access.services.issuance.page(access.agent, agent=agent, cursor=cursor, limit=limit)
    return TokenPage(items=[TokenOut.of(token) for token in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    operation_id="add_token",
    status_code=201,
    responses=problems(NO_DEPARTMENT, (409, "You have as many tokens as one may have.")),
)
async def add_token(body: TokenIn, access: SignedIn, request: Request) -> TokenMadeOut:
    """A new token of your own, told this once: as wide as you are or narrower, from a log-in or an unnarrowed token.

    The log-in must be of the last ten minutes. Made with a token, it lasts no longer than that and is revoked with it.
    People of a provider make none.
    """
    if access.credential.session is not None:
        access.services.sessions.require_recent(access.credential.session)
    if body.departments is not None:
        access.looking(body.departments)
    issued = await access.services.issuance.issue(
        access.agent, body.label, scope=body.scope, lasting=body.lasting, by=bearer_of(access)
    )
    trace_of(request).why = f"token:{issued.token.id} {in_words(issued.token.scope)}"
    return TokenMadeOut.of_issued(issued)


@router.delete(
    "/{number:int}",
    operation_id="revoke_token",
    status_code=204,
    responses=problems((404, "There is no such token of yours to end.")),
)
async def revoke_token(number: Number, access: SignedIn, request: Request) -> None:
    """End it at once, and what was made with it: your own, or with `manage` one of an agent within your departments."""
    trace_of(request).why = f"token:{number}"
    ended = await access.services.issuance.revoke(number, access.agent, by=bearer_of(access))
    trace_of(request).why = f"token:{ended.id} of {ended.agent}"


def bearer_of(access: Access) -> str | None:
    """The token the request was sent with; None: a log-in."""
    return access.credential.secret if access.credential.session is None else None
