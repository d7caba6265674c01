"""Who sees which departments: one scope, asked for by every look. The storage package is read: none may forget it."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import desk.storage.tables as tables
import pytest

from desk.access.permissions import EVERYTHING, PERMISSIONS, Grant, Permission, Role, Scope, scope_of
from desk.callbacks.edits import Errands
from desk.callbacks.queue import Desk
from desk.dials.dials import Dials
from desk.errors import DepartmentNotAllowed
from desk.history.feed import Changes
from desk.ledger.ledger import Ledger
from desk.paths import ROOT
from desk.recordings.recordings import Recordings

STORAGE = ROOT / "desk" / "storage"

WITHOUT = {
    "adds a row and reads none": (
        "callbacks.add",
        "callbacks.add_attempt",
        "callbacks.add_promise",
        "calls.keep",
        "dials.add",
        "emergency.add",
        "history.append",
        "ledger.warn",
        "outbox.add",
        "outbox.fill",
        "recordings.add",
    ),
    "goes on from rows that a look within a scope gave": (
        "callbacks.change",
        "callbacks.lengthen",
        "callbacks.with_attempts",
        "emergency.end",
        "ledger.closings",
        "ledger.tries",
        "ledger.unwarned",
        "outbox.of_promises",
        "recordings.exists",
    ),
    "each question it is asked brings the scope of who asks": ("together.claim", "together.complete"),
    "tells a number or a time, the same whoever asks: promises are given, and limits kept, for the whole house": (
        "changes.newest",
        "changes.unfinished",
        "closures.ahead",
        "closures.promised",
        "dials.asked_since",
        "dials.rung_since",
        "outbox.backlog",
    ),
    "one's own": ("emergency.live", "emergency.one_at_a_time"),
    "the controller's, which rings for all departments": (
        "dials.cancel",
        "dials.change",
        "dials.forgotten",
        "dials.inherit",
        "dials.requested",
        "dials.seen",
        "dials.take",
        "dials.to_cancel",
    ),
    "the text service's own, which sends for all departments and reads no callback": (
        "outbox.change",
        "outbox.locked",
        "outbox.note",
        "outbox.postpone",
        "outbox.take",
        "outbox.waiting",
    ),
    "deletes what has been kept long enough, in all departments": (
        "personal.delete_answers",
        "personal.delete_these_answers",
        "personal.due",
        "personal.forget",
        "personal.forget_calls_of_phone",
        "personal.forget_incomplete_calls",
        "personal.held",
        "recordings.remove",
    ),
    "operators' commands for one person's rights, in all departments": (
        "rights.belonging",
        "rights.incomplete_calls",
        "rights.of_person",
        "rights.of_phone",
        "rights.sealed_answers",
    ),
}
"""Functions over the queue's tables that take no scope, by the reason."""

WHOLE_MODULES = {
    **dict.fromkeys(("__init__", "metadata", "migrate", "scoped", "tables"), "has no statements"),
    **dict.fromkeys(("indexed", "sealed"), "keys are changed for all departments at once, and nothing is shown"),
    "audit": "rows about those who looked: a page of them is asked for with the auditor's departments",
}
"""Modules whose functions take no scope, and why."""


def queue_tables() -> set[str]:
    """Tables whose rows are in a department, or belong to a callback, which is."""
    queue = {
        name for name, table in tables.metadata.tables.items() if {"department", "callback_id"} & set(table.c.keys())
    }
    return queue - {"grants"}  # a grant's department is what scopes are made of


def looks(source: str) -> Iterator[tuple[str, bool]]:
    """Public functions of a storage module that can reach the queue's tables, and whether each asks for a scope and
    hands it on."""
    tree = ast.parse(source)
    queue = queue_tables() | {"shown"}
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if not names & queue and "from desk.storage import callbacks" not in source:
        return
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if not any(argument.arg == "connection" for argument in node.args.args):
                continue
            required = [
                argument.arg
                for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                if default is None
            ]
            used = any(isinstance(each, ast.Name) and each.id == "scope" for each in ast.walk(node))
            yield node.name, "scope" in required and used


def forgetful(folder: Path) -> set[str]:
    """Those that ask for none."""
    return {
        f"{path.stem}.{name}"
        for path in sorted(folder.glob("*.py"))
        if path.stem not in WHOLE_MODULES
        for name, asks in looks(path.read_text("utf-8"))
        if not asks
    }


def test_every_storage_function_over_the_queue_asks_for_a_scope_or_says_why_not() -> None:
    excepted = [name for names in WITHOUT.values() for name in names]
    assert len(excepted) == len(set(excepted))
    found = forgetful(STORAGE)
    assert found - set(excepted) == set(), "asks for no scope: add `*, scope: Scope`, or its reason to WITHOUT"
    assert set(excepted) - found == set(), "no longer an exception"


@pytest.mark.parametrize(
    "signature",
    [
        "connection: Connection",
        "connection: Connection, *, scope: Scope = EVERYTHING",
        "connection: Connection, *, scope: Scope",
    ],
)
def test_a_storage_function_that_forgets_is_found(tmp_path: Path, signature: str) -> None:
    """Without a scope, with a default, or with one it does nothing with."""
    imports = "from desk.storage.tables import callbacks\n\n\n"
    (tmp_path / "new.py").write_text(
        f"{imports}async def every({signature}) -> None:\n    select(callbacks)\n", "utf-8"
    )
    assert forgetful(tmp_path) == {"new.every"}


@pytest.mark.parametrize("of", [Desk, Errands, Dials, Ledger, Recordings, Changes], ids=lambda of: of.__name__)
def test_no_method_of_the_desk_has_a_scope_by_default(of: type) -> None:
    taking = 0
    for name, method in inspect.getmembers(of, inspect.isfunction):
        scope = inspect.signature(method).parameters.get("scope")
        if scope is not None and not name.startswith("_"):
            assert (scope.kind, scope.default) == (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty), name
            taking += 1
    assert taking


def test_the_web_doors_routes_make_no_scope_of_their_own() -> None:
    """What they hand on is the one the signed-in agent came with, or less of it."""
    for path in [*(ROOT / "api" / "routes").glob("*.py"), ROOT / "api" / "auth.py", ROOT / "api" / "once.py"]:
        names = {node.id for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Name)}
        assert "EVERYTHING" not in names, path.name
        calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        assert not [call for call in calls if ast.unparse(call) in ("Scope", "Scope.of", "scope_of")], path.name


def test_a_scope_is_where_a_permission_is_granted() -> None:
    grants = [Grant(Role.AGENT, "kirurgi"), Grant(Role.LEADER, "hjerte"), Grant(Role.OPERATOR, "*")]
    assert scope_of(grants, Permission.WORK) == Scope.of(["kirurgi"])
    assert scope_of(grants, Permission.CLOSE) == Scope.of(["hjerte"])
    assert scope_of(grants, Permission.READ) == Scope.of(["kirurgi", "hjerte"])
    assert scope_of(grants, Permission.SIGN_IN) == EVERYTHING
    assert scope_of(grants, Permission.AUDIT) == Scope.of([])
    assert not scope_of(grants, Permission.AUDIT).covers("kirurgi")
    assert all(Permission.SIGN_IN in PERMISSIONS[role] for role in Role)


def test_the_table_in_the_security_page_is_what_roles_permit() -> None:
    lines = [line.strip("| ").split(" | ") for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()]
    (head,) = [cells for cells in lines if cells[0] == "permission"]
    told = {cells[0].strip("`"): cells[1:6] for cells in lines if cells[0].strip("`") in set(Permission)}
    assert head[1:6] == [role.value for role in Role]
    assert told == {
        permission.value: ["yes" if permission in PERMISSIONS[role] else "no" for role in Role]
        for permission in Permission
    }


def test_a_scope_can_only_be_narrowed() -> None:
    mine = Scope.of(["kirurgi", "hjerte"])
    assert mine.within(["hjerte", "lunge"]) == Scope.of(["hjerte"])
    assert mine.within([]) == Scope.of([])
    assert EVERYTHING.within(["lunge"]) == Scope.of(["lunge"])
    mine.require("hjerte")
    with pytest.raises(DepartmentNotAllowed):
        mine.require("lunge")


def test_what_an_emergency_access_opened_and_was_used_is_told() -> None:
    widened = Scope.of(["kirurgi"]).widened(["hjerte", "kirurgi"])
    assert widened.covers("hjerte") and widened.borrowed == {"hjerte"}
    widened.require("kirurgi")
    assert widened.within(["kirurgi"]) == Scope.of(["kirurgi"]) and not widened.touched
    widened.within(["hjerte"])
    assert widened.touched == {"hjerte"}
    assert EVERYTHING.widened(["hjerte"]) == EVERYTHING
