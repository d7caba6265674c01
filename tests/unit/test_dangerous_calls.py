"""What the source never does: run text as code or in a shell, unpickle objects, use weak randomness."""

import ast
from collections.abc import Callable

import pytest

from tests.support.sources import PRODUCT, parsed

SIP_DIGEST = "ops/softphone/sip.py"
"""MD5 by the standard of SIP, in the test phone."""
LEAKED = "desk/accounts/passwords/leaked_passwords.py"
"""The list of leaked passwords is indexed by SHA-1; it protects nothing."""
JITTER = {"ivr/asterisk/ari.py", "desk/messages/outbox.py"}
"""Randomness that only spreads retries in time."""

RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
READS_OBJECTS = {"pickle", "marshal", "shelve", "dill", "jsonpickle", "yaml"}
READS_XML = {"xml", "lxml", "defusedxml"}
WEAK = {"md5", "sha1", "new"}


def named(node: ast.expr) -> str:
    """The dotted name of an expression, such as `subprocess.run`; empty where there is none."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{named(value)}.{name}" if named(value) else ""
    return ""


def found(tree: ast.Module, wrong: Callable[[ast.AST], bool]) -> list[int]:
    return [getattr(node, "lineno", 0) for node in ast.walk(tree) if wrong(node)]


def runs_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and named(node.func) in RUNS_TEXT


def uses_a_shell(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    by_shell = any(
        keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        for keyword in node.keywords
    )
    return by_shell or named(node.func) in {"os.system", "os.popen", "asyncio.create_subprocess_shell"}


def imports(names: set[str]) -> Callable[[ast.AST], bool]:
    def wrong(node: ast.AST) -> bool:
        match node:
            case ast.Import(names=aliases):
                return any(alias.name.partition(".")[0] in names for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                return module.partition(".")[0] in names
        return False

    return wrong


def weak_hash(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and named(node.func) in {f"hashlib.{name}" for name in WEAK}


def built_sql(node: ast.AST) -> bool:
    """`text(…)` with a computed argument: statements are written out, and their values are bound."""
    return (
        isinstance(node, ast.Call)
        and named(node.func) in {"text", "sqlalchemy.text"}
        and any(isinstance(part, ast.JoinedStr | ast.BinOp | ast.Call) for part in node.args)
    )


def unverified_tls(node: ast.AST) -> bool:
    """`verify=False` and its like."""
    return isinstance(node, ast.Call) and any(
        keyword.arg in {"verify", "ssl", "verify_ssl", "check_hostname"}
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is False
        for keyword in node.keywords
    )


def follows_redirects(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and any(
        keyword.arg in {"follow_redirects", "allow_redirects"}
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
        for keyword in node.keywords
    )


OF_OUR_NAMES = {"desk/database/compiled.py", "desk/audit/append_repository.py"}
"""SQL of constants in the code: statements that SQLAlchemy compiled, and a table's columns, named as they are there."""
RULES: dict[str, tuple[Callable[[ast.AST], bool], set[str]]] = {
    "text run as code": (runs_text, set()),
    "a shell": (uses_a_shell, set()),
    "objects read from bytes": (imports(READS_OBJECTS), set()),
    "XML": (imports(READS_XML), set()),
    "a weak hash": (weak_hash, {SIP_DIGEST, LEAKED}),
    "weak chance": (imports({"random"}), JITTER | {"ivr/rehearsal/fingers.py"}),  # its people are the same by seed
    "SQL put together": (built_sql, OF_OUR_NAMES),
    "TLS without its check": (unverified_tls, set()),
    "redirects followed": (follows_redirects, set()),
}


@pytest.mark.parametrize("rule", RULES)
def test_source_is_free_of(rule: str) -> None:
    wrong, allowed = RULES[rule]
    places = {path: lines for path, tree in parsed(*PRODUCT, at_least=250) if (lines := found(tree, wrong))}
    assert {path: lines for path, lines in places.items() if path not in allowed} == {}
    assert places.keys() >= allowed, "an exception that is no longer needed, or whose file has moved"


LEAKS = {
    "text run as code": "eval(given)",
    "a shell": "subprocess.run(command, shell=True)",
    "objects read from bytes": "import pickle",
    "XML": "from xml.etree import ElementTree",
    "a weak hash": "hashlib.md5(b'')",
    "weak chance": "from random import choice",
    "SQL put together": "text(f'select * from {table}')",
    "TLS without its check": "httpx.AsyncClient(verify=False)",
    "redirects followed": "httpx.AsyncClient(follow_redirects=True)",
}


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_finds_its_example(rule: str) -> None:
    assert found(ast.parse(LEAKS[rule]), RULES[rule][0]) == [1]
