"""The texts that the source code of commands can print: its literals, with {} where a value stands."""

import ast
import re
from collections.abc import Iterator

from desk.paths import ROOT

FILES = (
    *("ops/commands/**/*.py", "ops/backup/*.py", "ivr/prompts/*.py", "ivr/rehearsal/*.py", "desk/files/*.py"),
    *("desk/settings/*.py", "desk/departments/file.py", "desk/departments/demo.py", "desk/messages/texts.py"),
    *("desk/vault/*.py", "desk/database/faults.py", "desk/database/tls.py", "desk/key_rotation/keyring.py"),
    *("desk/accounts/oidc/groups_file.py", "desk/accounts/passwords/leaked_passwords.py", "innringing.py"),
    *(
        f"ops/machine/{name}.py"
        for name in (
            *("demo_parts", "going_live", "questions", "trial", "running", "in_use", "ready", "engine", "asterisk"),
            *("apt", "tree", "images", "app_image", "venv", "patches", "instance", "sip_security", "trunk"),
        )
    ),
)
"""Where the texts of commands are written."""
NOT_PRINTED = ("help", "description", "envvar", "event")
"""Arguments that are documentation, or go to the log."""
LOGGED = ("debug", "info", "warning", "error", "exception", "critical")
PRINTING = ("print", "echo", "exit")
"""Functions that print a text as it is."""
PLACE = re.compile(r"\{[^{}]*\}")
SENTENCE = re.compile(r"[a-z]{2,}[^a-z]* .*[a-z]|[a-z]{2}.* [^ ]")


def texts(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield (file:line, text) of each literal of several words that is no docstring, help or log message."""
    for path in sorted(ROOT.glob(pattern)):
        tree = ast.parse(path.read_text("utf-8"))
        skipped = {id(each) for node in ast.walk(tree) for each in _not_printed(node)}
        for node in ast.walk(tree):
            text = _text(node)
            if id(node) not in skipped and text and SENTENCE.search(text):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", text


def printed_as_they_are(pattern: str) -> Iterator[str]:
    """Yield the place of each call that prints a literal without translating it."""
    for path in sorted(ROOT.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            printed = node.args if isinstance(node, ast.Call) and _name(node) in PRINTING else []
            if any(SENTENCE.search(_text(each) or "") for each in printed):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def without_names(text: str) -> str:
    """Return the text with {} for each place where a value stands."""
    return PLACE.sub("{}", text).strip("\n")


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    return None


def _not_printed(node: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, help, log messages, and the parts of an f-string that are literals."""
    body = getattr(node, "body", None)
    for each in body if isinstance(body, list) else ():
        if isinstance(each, ast.Expr):
            yield each.value
    if isinstance(node, ast.keyword) and node.arg in NOT_PRINTED:
        yield from ast.walk(node.value)
    if isinstance(node, ast.Call) and _name(node) in LOGGED:
        yield from (part for each in node.args for part in ast.walk(each))
    if isinstance(node, ast.JoinedStr):
        yield from (each for each in node.values if isinstance(each, ast.Constant))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
