"""`innringing migrate`, `agents …` and the other families. What goes wrong is said in one line, with exit code 1."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from desk import keys_cli, rights_cli
from desk.access import ALL_DEPARTMENTS, Role
from desk.agents import AgentExists, Agents
from desk.clock import SystemClock
from desk.departments import load_departments
from desk.errors import DeskError
from desk.settings import Settings
from desk.storage import migrate as migrations
from desk.terminal import current_database, fail, load_settings, run, say

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)
agents = typer.Typer(no_args_is_help=True, help="Who may pull callbacks: add, list, revoke.")
app.add_typer(agents, name="agents")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(rights_cli.person, name="person")
app.add_typer(rights_cli.retention, name="retention")

Name = Annotated[str, typer.Argument(help="The agent's name: history shows it.")]


@app.command()
def migrate() -> None:
    """Bring the database to the newest tables."""
    settings = load_settings()
    run(migrations.migrate(settings.database_url))
    say("The database is current.")


@agents.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the agent may do.")] = Role.AGENT,
    department: Annotated[list[str] | None, typer.Option(help="A department's slug; may be repeated.")] = None,
    all_departments: Annotated[
        bool, typer.Option("--all-departments", help="Every department, also new ones.")
    ] = False,
    phone: Annotated[
        str | None, typer.Option(help="The agent's phone in pjsip.conf, rung when the agent dials: demo-phone.")
    ] = None,
) -> None:
    """Add an agent and print its token: this once, for it is kept only as a hash."""
    settings = load_settings()
    if all_departments == bool(department):
        fail("Say which departments: --department kirurgi (may be repeated), or --all-departments.")
    chosen = [ALL_DEPARTMENTS] if all_departments else _known(settings, department or [])
    try:
        token = run(_with_agents(settings, lambda all_agents: all_agents.add(name, role, chosen, phone=phone)))
    except AgentExists:
        fail(f"There is an agent {name} already. Revoke it first: innringing agents revoke {name}")
    say(f"The token of {name}, shown only now:")
    typer.echo(token)


@agents.command("list")
def list_agents() -> None:
    """Show the agents whose tokens work."""
    settings = load_settings()
    table = Table("Name", "Role", "Departments", "Phone")
    for agent in run(_with_agents(settings, lambda all_agents: all_agents.list())):
        everywhere = ALL_DEPARTMENTS in agent.departments
        departments = "all" if everywhere else ", ".join(sorted(agent.departments))
        table.add_row(agent.name, agent.role.value, departments, agent.phone or "")
    Console().print(table)


@agents.command("revoke")
def revoke(name: Name) -> None:
    """Stop an agent's token from working, at once."""
    settings = load_settings()
    run(_with_agents(settings, lambda all_agents: all_agents.revoke(name)))
    say(f"The token of {name} no longer works.")


async def _with_agents(settings: Settings, work: Callable[[Agents], Coroutine[Any, Any, T]]) -> T:
    """Do `work` on tables that are current; the embedded database is made so, a server's is its operator's care."""
    async with current_database(settings) as database:
        return await work(Agents(database=database, clock=SystemClock()))


def _known(settings: Settings, slugs: list[str]) -> list[str]:
    try:
        departments = load_departments(settings.departments_file)
    except DeskError as error:
        fail(str(error))
    for slug in slugs:
        if slug not in departments:
            fail(f"There is no department {slug} in {settings.departments_file.name}: {', '.join(departments)}.")
    return slugs
