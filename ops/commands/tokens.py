"""`innringing tokens …`: manage access tokens for programs. A token can have fewer rights than its agent."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from desk.access.actor import SYSTEM
from desk.access.permissions import Permission
from desk.accounts.tokens.model import Token, TokenScope
from desk.audit.actions import AuditAction
from desk.clock import SystemClock
from ops.commands.agents import Name, change, chosen_departments, with_agents
from ops.commands.terminal import fail, load_settings, run, say
from ops.messages.translation import translated

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Manage access tokens for programs.")

LONGEST_LABEL = 64
YEAR = 365


@app.command("add")
def add(
    name: Name,
    label: Annotated[str, typer.Option(help="What it is for: wall-screen.")],
    department: Annotated[list[str] | None, typer.Option(help="Only this department; may be repeated.")] = None,
    permission: Annotated[list[Permission] | None, typer.Option(help="Only this permission; may be repeated.")] = None,
    days: Annotated[int, typer.Option(min=1, max=5 * YEAR, help="How many days it is valid.")] = YEAR,
) -> None:
    """Add a token to an agent and print it. It is shown only now, since only its hash is stored."""
    settings = load_settings()
    if not 0 < len(label) <= LONGEST_LABEL:
        fail(f"A label has 1 to {LONGEST_LABEL} characters.")
    where = frozenset(chosen_departments(settings, department, everywhere=False)) if department else None
    scope = TokenScope(where, frozenset(permission) if permission else None)
    narrow = run(with_agents(settings, lambda agents: agents.get(SYSTEM, name))).narrowed(where, scope.permissions)
    if not narrow.grants or not any(narrow.may(each) for each in permission or Permission):
        fail(f"{name} has no role with {scope}: the token would be useless. See `agents list`.")
    expires_at = SystemClock().now() + timedelta(days=days)
    new = run(
        change(
            settings,
            AuditAction.TOKEN_ADD,
            f"{name}: {scope}",
            lambda agents, actor: agents.tokens.issue(actor, name, label, scope=scope, expires_at=expires_at),
        )
    )
    say(f"Token {new.token.id} of {name}, {scope}, until {expires_at:%Y-%m-%d}; shown only now:")
    typer.echo(new.secret)


@app.command("list")
def list_tokens(agent: Annotated[str | None, typer.Option(help="Only this agent's tokens.")] = None) -> None:
    """Show the valid tokens, and when each was last used (to the minute)."""
    table = Table(*map(translated, ("Number", "Agent", "Label", "Rights", "Until", "Last used")))
    for token in run(with_agents(load_settings(), lambda agents: agents.tokens.list(SYSTEM, agent))):
        table.add_row(*_cells(token))
    Console().print(table)


@app.command("revoke")
def revoke(number: Annotated[int, typer.Argument(help="As in `innringing tokens list`.")]) -> None:
    """Revoke a token at once."""
    about = f"token {number}"
    run(
        change(
            load_settings(), AuditAction.TOKEN_REVOKE, about, lambda agents, actor: agents.tokens.revoke(actor, number)
        )
    )
    say(f"Token {number} no longer works.")


def _cells(token: Token) -> list[str]:
    rights, until, used = str(token.scope), _day(token.expires_at), _minute(token.last_used_at)
    return [str(token.id), token.agent, token.label, rights, until, used]


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else translated("revoked")


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at else translated("never")
