"""`innringing agents …`: manage agents, their roles and their departments."""

import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from getpass import getpass
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from desk.access.actor import SYSTEM, Actor
from desk.access.permissions import ALL_DEPARTMENTS, Grant, Role
from desk.accounts.agents import Agents
from desk.accounts.errors import AgentNameTaken
from desk.accounts.login import Logins
from desk.accounts.passwords.rules import random_password
from desk.accounts.second_factor.service import SecondFactors
from desk.accounts.sessions.service import Sessions
from desk.audit.actions import AuditAction
from desk.clock import SystemClock
from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.safeguards import make_passwords
from desk.settings.settings import Settings
from ops.commands.audited import audited
from ops.commands.terminal import current_database, fail, load_settings, run, say
from ops.messages.translation import translated

T = TypeVar("T")

FIRST_DAYS = 7
"""How many days a first password or a first token is valid."""
MOST_DAYS = 30
LONGEST_DAYS = 5 * 365
DAYS_OF_TOKEN = "How many days the token is valid; 0: forever. For programs, use: innringing tokens add."

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Manage agents, their roles and their departments.")

Name = Annotated[str, typer.Argument(help="The agent's name, shown in the history.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What the agent may do there.")]
DepartmentOption = Annotated[list[str] | None, typer.Option(help="A department's slug; may be repeated.")]
Everywhere = Annotated[bool, typer.Option("--all-departments", help="Every department, also new ones.")]


@app.command("add")
def add(
    name: Name,
    role: RoleOption = Role.AGENT,
    department: DepartmentOption = None,
    all_departments: Everywhere = False,
    phone: Annotated[
        str | None, typer.Option(help="The agent's phone in pjsip.conf for click to call: demo-phone.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=LONGEST_DAYS, help=DAYS_OF_TOKEN)] = FIRST_DAYS,
) -> None:
    """Add an agent and print its token. It is shown only now, since only its hash is stored."""
    settings = load_settings()
    chosen = chosen_departments(settings, department, all_departments)
    until = SystemClock().now() + timedelta(days=days) if days else None
    try:
        why = f"{name}: {role.value} in {', '.join(chosen)}"
        token = run(
            change(
                settings,
                AuditAction.AGENT_ADD,
                why,
                lambda agents, actor: agents.add(actor, name, role, chosen, phone=phone, expires_at=until),
            )
        )
    except AgentNameTaken:
        fail(f"The agent {name} exists already. Revoke it first: innringing agents revoke {name}")
    say(f"The token of {name}, {f'until {until:%Y-%m-%d}' if until else 'valid forever'}, shown only now:")
    typer.echo(token)


@app.command("list")
def list_agents() -> None:
    """Show the agents with their roles and departments."""
    settings = load_settings()
    table = Table(*map(translated, ("Name", "Role", "Departments", "Phone")))
    for agent in run(with_agents(settings, lambda agents: agents.list(SYSTEM))):
        roles: list[Role | None] = [*sorted({grant.role for grant in agent.grants})] or [None]
        for role in roles:
            table.add_row(agent.name, role and role.value, departments_of(agent.grants, role), agent.phone or "")
    Console().print(table)


@app.command("revoke")
def revoke(name: Name) -> None:
    """Revoke all access of an agent at once. The name stays in the history and can be used again."""
    run(change(load_settings(), AuditAction.AGENT_REVOKE, name, lambda agents, actor: agents.revoke(actor, name)))
    say(f"The token of {name} no longer works.")


@app.command("grant")
def grant(
    name: Name, role: RoleOption, department: DepartmentOption = None, all_departments: Everywhere = False
) -> None:
    """Give an agent another role, or a role in more departments."""
    settings = load_settings()
    grants = [Grant(role, each) for each in chosen_departments(settings, department, all_departments)]
    where = ", ".join(each.department for each in grants)
    run(
        change(
            settings,
            AuditAction.AGENT_GRANT,
            f"{name}: {role.value} in {where}",
            lambda agents, actor: agents.grant(actor, name, grants),
        )
    )
    say(f"{name} is now {role.value} in {where}.")


@app.command("withdraw")
def withdraw(
    name: Name, role: RoleOption, department: DepartmentOption = None, all_departments: Everywhere = False
) -> None:
    """Withdraw a role, from the agent's next request on. `--all-departments` withdraws a grant for all departments."""
    settings = load_settings()
    if all_departments == bool(department):
        fail("Say which departments: --department kirurgi (may be repeated), or --all-departments.")
    # departments.toml is not consulted, so a grant in a department that no longer exists can be withdrawn too
    grants = [Grant(role, each) for each in department or [ALL_DEPARTMENTS]]
    where = ", ".join(each.department for each in grants)
    run(
        change(
            settings,
            AuditAction.AGENT_WITHDRAW,
            f"{name}: {role.value} in {where}",
            lambda agents, actor: agents.withdraw(actor, name, grants),
        )
    )
    say(f"{name} is no longer {role.value} in {where}.")


@app.command("password")
def password(
    name: Name,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How many days it is valid.")] = FIRST_DAYS,
    random: Annotated[bool, typer.Option("--random", help="Generate a password and print it, only now.")] = False,
) -> None:
    """Set a first password for an agent, from a prompt without echo or from stdin. This ends the agent's sessions.

    The agent must choose a new password at the first log-in.
    """
    settings = load_settings()
    new = random_password() if random else _ask_password()
    run(_set_password(settings, name, new, _department_words(settings), timedelta(days=days)))
    say(f"{name} can log in with it for {days} days, and must then choose a new password.")
    if random:
        typer.echo(new)


@app.command("remove-second-factor")
def remove_second_factor(name: Name) -> None:
    """Remove an agent's second factor, when phone and recovery codes are lost. This ends the agent's sessions.

    Verify the person's identity first, as when the account was created. If a second factor is required, the agent must
    add a new one at the next log-in.
    """
    run(_remove_second_factor(load_settings(), name))
    say(f"{name} no longer has a second factor. If others may know the password, set a first password as well.")


@app.command("disable")
def disable(name: Name) -> None:
    """Disable an account. Its sessions end at once, and its tokens and password are refused until it is enabled."""
    run(change(load_settings(), AuditAction.AGENT_DISABLE, name, lambda agents, actor: agents.disable(actor, name)))
    say(f"{name} is disabled.")


@app.command("enable")
def enable(name: Name) -> None:
    """Enable a disabled account. Its tokens and password work as before, but the agent must log in again."""
    run(change(load_settings(), AuditAction.AGENT_ENABLE, name, lambda agents, actor: agents.enable(actor, name)))
    say(f"{name} is enabled.")


def _department_words(settings: Settings) -> list[str]:
    try:
        departments = load_departments(settings.files.departments)
    except DeskError as error:
        fail(str(error))
    return [word for slug in departments for word in (slug, departments.get(slug).name)]


def _ask_password() -> str:
    """Ask twice on a terminal. Otherwise read the first line of stdin."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass(translated("Password, at least 12 characters (not shown): "))
    if getpass(translated("Repeat: ")) != password:
        fail("The two passwords are different.")
    return password


async def _set_password(settings: Settings, name: str, password: str, words: list[str], first_for: timedelta) -> None:
    async with audited(settings, AuditAction.AGENT_PASSWORD, why=name) as command:
        logins = Logins(
            database=command.database,
            vault=command.vault,
            clock=command.clock,
            sessions=Sessions(database=command.database, clock=command.clock),
            passwords=make_passwords(settings.login),
        )
        await logins.set_password(name, password, words=words, first_for=first_for)


async def _remove_second_factor(settings: Settings, name: str) -> None:
    async with audited(settings, AuditAction.AGENT_SECOND_FACTOR, why=name) as command:
        database, vault, clock = command.database, command.vault, command.clock
        sessions = Sessions(database=database, clock=clock)
        factors = SecondFactors(database=database, vault=vault, clock=clock, sessions=sessions)
        await factors.remove(command.actor, name)


async def with_agents(settings: Settings, work: Callable[[Agents], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on a database with the current schema. See `current_database`."""
    async with current_database(settings) as database:
        return await work(Agents(database=database, clock=SystemClock()))


async def change(
    settings: Settings, action: AuditAction, about: str, work: Callable[[Agents, Actor], Coroutine[Any, Any, T]]
) -> T:
    """Like `with_agents`, with a row in the audit, for changes of access."""
    async with audited(settings, action, why=about) as command:
        return await work(Agents(database=command.database, clock=command.clock), command.actor)


def departments_of(grants: frozenset[Grant], role: Role | None) -> str:
    """Return the departments of a role, in words."""
    held = sorted(grant.department for grant in grants if grant.role is role)
    return "all" if ALL_DEPARTMENTS in held else ", ".join(held)


def chosen_departments(settings: Settings, slugs: list[str] | None, everywhere: bool) -> list[str]:
    """Return the departments from the command line. On an error, print it and exit."""
    if everywhere == bool(slugs):
        fail("Say which departments: --department kirurgi (may be repeated), or --all-departments.")
    if not slugs:
        return [ALL_DEPARTMENTS]
    try:
        departments = load_departments(settings.files.departments)
    except DeskError as error:
        fail(str(error))
    for slug in slugs:
        if slug not in departments:
            fail(f"There is no department {slug} in {settings.files.departments.name}: {', '.join(departments)}.")
    return slugs
