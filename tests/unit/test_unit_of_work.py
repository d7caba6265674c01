"""Steps of units of work: everything a step calls is part of its own unit."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.sources import parsed

DECORATORS = frozenset({"unit_of_work", "reading", "one_statement"})
ACTORS = frozenset({"SYSTEM", "CALLER", "actor"})


def calls_with_an_actor(tree: ast.AST) -> Iterator[int]:
    """Lines in steps that await a call with an actor: it would open a second unit of work, which commits by itself."""
    for step in ast.walk(tree):
        if not isinstance(step, ast.AsyncFunctionDef) or not DECORATORS & {ast.unparse(d) for d in step.decorator_list}:
            continue
        for node in ast.walk(step):
            call = node.value if isinstance(node, ast.Await) else None
            if isinstance(call, ast.Call) and call.args and ast.unparse(call.args[0]).rpartition(".")[2] in ACTORS:
                yield call.lineno


def test_no_step_opens_a_second_unit_of_work() -> None:
    for path, tree in parsed("desk", at_least=100):
        assert list(calls_with_an_actor(tree)) == [], f"{path}: pass the unit on"


@pytest.mark.parametrize("actor", ["SYSTEM", "CALLER", "unit.actor"])
@pytest.mark.parametrize("decorator", sorted(DECORATORS))
def test_step_that_passes_an_actor_is_found(decorator: str, actor: str) -> None:
    source = f"class X:\n @{decorator}\n async def step(self, unit):\n  await self.other.step({actor}, 1)\n"
    assert list(calls_with_an_actor(ast.parse(source))) == [4]
    assert list(calls_with_an_actor(ast.parse(source.replace(actor, "unit")))) == []
