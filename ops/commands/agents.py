"""`innringing agents …`: who may use the web door, in which roles and departments."""

import sys
from collections.abc import Callable, Coroutine
from datetime import timedelta
from getpass import getpass
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from desk.access.permissions import ALL_DEPARTMENTS, Grant, Role
from desk.accounts.agents import AgentExists, Agents
from desk.accounts.login import Logins
from desk.accounts.passwords.hashing import made_up
from desk.accounts.second_factor.service import SecondFactors
from desk.accounts.sessions.service import Sessions
from desk.clock import SystemClock
from desk.departments.file import load_departments
from desk.errors import DeskError
from desk.settings.settings import Settings
from desk.wire import make_passwords
from ops.commands.on_record import on_record
from ops.commands.terminal import current_database, fail, load_settings, run, say

T = TypeVar("T")

FIRST_DAYS = 7
"""How long what somebody gets to begin with opens: a first password, a first token."""
MOST_DAYS = 30
LONGEST_DAYS = 5 * 365
DAYS_OF_TOKEN = "How long the token opens; 0 is without end. Programs get one of their own: innringing tokens add."

app = typer.Typer(no_args_is_help=True, help="Who may pull callbacks: their roles, and where.")

Name = Annotated[str, typer.Argument(help="The agent's name: history shows it.")]
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
        str | None, typer.Option(help="The agent's phone in pjsip.conf, rung when the agent dials: demo-phone.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, max=LONGEST_DAYS, help=DAYS_OF_TOKEN)] = FIRST_DAYS,
) -> None:
    """Add an agent and print its token: this once, for it is kept only as a hash."""
    settings = load_settings()
    chosen = chosen_departments(settings, department, all_departments)
    until = SystemClock().now() + timedelta(days=days) if days else None
    try:
        told = f"{name}: {role.value} in {', '.join(chosen)}"
        token = run(
            changed(
                settings,
                "agent_add",
                told,
                lambda agents: agents.add(name, role, chosen, phone=phone, expires_at=until),
            )
        )
    except AgentExists:
        fail(f"There is an agent {name} already. Revoke it first: innringing agents revoke {name}")
    say(f"The token of {name}, {f'until {until:%Y-%m-%d}' if until else 'without end'}, shown only now:")
    typer.echo(token)


@app.command("list")
def list_agents() -> None:
    """Show the agents, their roles and where they have them."""
    settings = load_settings()
    table = Table("Name", "Role", "Departments", "Phone")
    for agent in run(with_agents(settings, lambda agents: agents.list())):
        roles: list[Role | None] = [*sorted({grant.role for grant in agent.grants})] or [None]
        for role in roles:
            table.add_row(agent.name, role and role.value, departments_of(agent.grants, role), agent.phone or "")
    Console().print(table)


@app.command("revoke")
def revoke(name: Name) -> None:
    """Stop everything of an agent's from working, at once. The name stays in the history, and may be given anew."""
    run(changed(load_settings(), "agent_revoke", name, lambda agents: agents.revoke(name)))
    say(f"The token of {name} no longer works.")


@app.command("grant")
def grant(
    name: Name, role: RoleOption, department: DepartmentOption = None, all_departments: Everywhere = False
) -> None:
    """Give an agent one more role, or the same one in more departments."""
    settings = load_settings()
    given = [Grant(role, each) for each in chosen_departments(settings, department, all_departments)]
    told = f"{role.value} in {', '.join(each.department for each in given)}"
    run(changed(settings, "agent_grant", f"{name}: {told}", lambda agents: agents.grant(name, given)))
    say(f"{name} is now {told}.")


@app.command("withdraw")
def withdraw(
    name: Name, role: RoleOption, department: DepartmentOption = None, all_departments: Everywhere = False
) -> None:
    """Take a role away, from the agent's next request on. `--all-departments` is what was given with that option."""
    settings = load_settings()
    if all_departments == bool(department):
        fail("Say which departments: --department kirurgi (may be repeated), or --all-departments.")
    # not asked of departments.toml: what was given in a department that is gone can be taken away too
    taken = [Grant(role, each) for each in department or [ALL_DEPARTMENTS]]
    told = f"{role.value} in {', '.join(each.department for each in taken)}"
    run(changed(settings, "agent_withdraw", f"{name}: {told}", lambda agents: agents.withdraw(name, taken)))
    say(f"{name} is no longer {told}.")


@app.command("password")
def password(
    name: Name,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="How long it opens.")] = FIRST_DAYS,
    random: Annotated[bool, typer.Option("--random", help="Make one up and print it: this once.")] = False,
) -> None:
    """Set a first password of an agent's account, asked for unseen or read from stdin; its sessions end.

    Its holder must choose another at the first log-in, before anything else.
    """
    settings = load_settings()
    given = made_up() if random else _asked_password()
    run(_set_password(settings, name, given, _department_words(settings), timedelta(days=days)))
    say(f"{name} can log in with it for {days} days, and must choose another then.")
    if random:
        typer.echo(given)


@app.command("remove-second-factor")
def remove_second_factor(name: Name) -> None:
    """Let an account's password open it alone, after its phone and recovery codes were lost; its sessions end.

    Make sure who asks, as when the account was made. Where one is asked for, the next log-in is for adding another.
    """
    run(_remove_second_factor(load_settings(), name))
    say(f"{name} has no second factor any more. If the password may be known to others, set a first one as well.")


@app.command("disable")
def disable(name: Name) -> None:
    """Close an account: its sessions end at once, its tokens and password open nothing until it is enabled."""
    run(changed(load_settings(), "agent_disable", name, lambda agents: agents.disable(name)))
    say(f"{name} is kept out.")


@app.command("enable")
def enable(name: Name) -> None:
    """Open a closed account again. Its tokens and password work as before; whoever was logged in logs in anew."""
    run(changed(load_settings(), "agent_enable", name, lambda agents: agents.enable(name)))
    say(f"{name} may come in again.")


def _department_words(settings: Settings) -> list[str]:
    try:
        departments = load_departments(settings.files.departments)
    except DeskError as error:
        fail(str(error))
    return [word for slug in departments for word in (slug, departments.get(slug).name)]


def _asked_password() -> str:
    """Twice from a keyboard; the first line of what is not one."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    given = getpass("Password, at least 12 characters (unseen): ")
    if getpass("Once more: ") != given:
        fail("The two are not the same.")
    return given


async def _set_password(settings: Settings, name: str, given: str, words: list[str], first_for: timedelta) -> None:
    clock = SystemClock()
    async with on_record(settings, "agent_password", why=name) as record:
        sessions = Sessions(database=record.database, clock=clock)
        passwords = make_passwords(settings.login)
        logins = Logins(
            database=record.database, vault=record.vault, clock=clock, sessions=sessions, passwords=passwords
        )
        await logins.set_password(name, given, words=words, first_for=first_for)


async def _remove_second_factor(settings: Settings, name: str) -> None:
    clock = SystemClock()
    async with on_record(settings, "agent_second_factor", why=name) as record:
        sessions = Sessions(database=record.database, clock=clock)
        factors = SecondFactors(database=record.database, vault=record.vault, clock=clock, sessions=sessions)
        await factors.remove(name)


async def with_agents(settings: Settings, work: Callable[[Agents], Coroutine[Any, Any, T]]) -> T:
    """Do `work` on tables that are current; the embedded database is made so, a server's is its operator's care."""
    async with current_database(settings) as database:
        return await work(Agents(database=database, clock=SystemClock()))


async def changed(settings: Settings, action: str, about: str, work: Callable[[Agents], Coroutine[Any, Any, T]]) -> T:
    """As `with_agents`, for what changes somebody's access: the audit tells of it."""
    async with on_record(settings, action, why=about) as record:
        return await work(Agents(database=record.database, clock=SystemClock()))


def departments_of(grants: frozenset[Grant], role: Role | None) -> str:
    """Where the role is held, in words."""
    held = sorted(grant.department for grant in grants if grant.role is role)
    return "all" if ALL_DEPARTMENTS in held else ", ".join(held)


def chosen_departments(settings: Settings, slugs: list[str] | None, everywhere: bool) -> list[str]:
    """The departments said on the command line, or the end of the command."""
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
