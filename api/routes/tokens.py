"""Tokens of programs: list, create and revoke."""

from typing import Final

from fastapi import APIRouter, Request

from api.access import Access, AgentQuery, SignedIn, check_manages
from api.openapi import API, problems
from api.routes.parameters import NO_DEPARTMENT, Cursor, Limit, Number
from api.schemas.tokens import NewTokenOut, TokenIn, TokenOut, TokenPage
from api.web.audit_rules import audited
from api.web.middleware.trace import trace_of
from api.web.problems import Statuses
from desk.access.permissions import Permission
from desk.accounts.errors import (
    AgentAtProvider,
    NarrowedToken,
    TokenNotFound,
    TokenOutlives,
    TokenTooWide,
    TooManyTokens,
)
from desk.audit.actions import AuditAction

router = APIRouter(prefix=f"{API}/tokens", tags=["tokens"])

STATUSES: Final[Statuses] = {
    NarrowedToken: 403,
    TokenTooWide: 403,
    TokenOutlives: 403,
    AgentAtProvider: 403,
    TokenNotFound: 404,
    TooManyTokens: 409,
}


@router.get("", operation_id="listTokens", responses=problems((404, "There is no such agent within your departments.")))
@audited(AuditAction.LIST_TOKENS)
async def list_tokens(
    access: SignedIn, agent: AgentQuery = None, cursor: Cursor = None, limit: Limit = 50
) -> TokenPage:
    """List your tokens and, with `manage`, those of agents whose roles are all in your departments, newest first.

    Expired and revoked tokens are included. Secrets are not.
    """
    check_manages(access.agent, agent)
    manager = access.acting(Permission.MANAGE)
    page = await access.services.token_management.page(manager, agent=agent, cursor=cursor, limit=limit)
    return TokenPage(items=[TokenOut.of(token) for token in page.items], next_cursor=page.next_cursor)


@router.post(
    "",
    operation_id="addToken",
    status_code=201,
    responses=problems(NO_DEPARTMENT, (409, "You have reached the limit of tokens.")),
)
@audited(AuditAction.ADD_TOKEN)
async def add_token(body: TokenIn, access: SignedIn, request: Request) -> NewTokenOut:
    """Create a token of your own, with all your access or less. Its secret is returned only once.

    This requires a log-in within the last ten minutes, or a token without limits: the new token then lasts no longer
    and is revoked with it. Agents who log in at an identity provider can't create tokens.
    """
    if access.credential.session is not None:
        access.services.sessions.require_recent(access.credential.session)
    if body.departments is not None:
        access.looking(body.departments)
    new = await access.services.token_management.issue(
        access.actor, access.agent, body.label, scope=body.scope, lasting=body.lasting, by=bearer_of(access)
    )
    trace_of(request).why = f"token:{new.token.id} {new.token.scope}"
    return NewTokenOut.of_new(new)


@router.delete(
    "/{number:int}",
    operation_id="revokeToken",
    status_code=204,
    responses=problems((404, "There is no such token of yours to end.")),
)
@audited(AuditAction.REVOKE_TOKEN)
async def revoke_token(number: Number, access: SignedIn, request: Request) -> None:
    """Revoke a token and those created with it: your own or, with `manage`, one of an agent in your departments."""
    trace_of(request).why = f"token:{number}"
    manager = access.acting(Permission.MANAGE)
    revoked = await access.services.token_management.revoke(manager, number, by=bearer_of(access))
    trace_of(request).why = f"token:{revoked.id} of {revoked.agent}"


def bearer_of(access: Access) -> str | None:
    """Return the token that the request was sent with; None for a log-in."""
    return access.credential.secret if access.credential.session is None else None
