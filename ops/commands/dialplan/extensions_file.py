"""Find lines of extensions.conf that Asterisk ignores, or that end a call: unknown words, and priorities with gaps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ops.commands.dialplan import brackets
from ops.commands.dialplan.config_file import ConfigFile, Section, Setting
from ops.commands.dialplan.words import nearest, words

KEYWORDS = ("exten", "same", "include", "ignorepat", "switch", "lswitch", "eswitch", "autohints")
NOT_CONTEXTS = ("general", "globals")
FORM = "write exten => number,1,Application(arguments)"
_STEP = re.compile(r"(?P<priority>n|\d+|hint)(?P<label>\([^)]*\))?(?:\+\d+)?\s*,(?P<call>.*)", re.S)
_SPACED = re.compile(r"\A[^=]*\s=|\A[^=]*=\s|\s\Z")
_CALL = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?P<arguments>\(.*\))?\s*", re.S)
_FUNCTION = re.compile(r"\$\{\s*([A-Za-z_]\w*)\(")
_LOOKS_LIKE_PATTERN = re.compile(r"(?=.*[0-9])[0-9]*[XZN.!][0-9XZN.!]*")

Finding = tuple[int, str]
"""A line and what is wrong with it."""


def in_extensions(file: ConfigFile, contexts: Sequence[str]) -> Iterator[Finding]:
    """What is wrong in the lines of extensions.conf, or of the file it includes. `contexts` are those of both."""
    first: dict[str, int] = {}
    for section in file.sections:
        name = section.name
        if name in first and not section.is_addition:
            reason = f"[{name}] begins on line {first[name]} already: put the lines there, or write [{name}](+)"
            yield section.line, reason
        first.setdefault(name, section.line)
        if section.name not in NOT_CONTEXTS:
            yield from _Context(section, contexts).findings()


class _Context:
    """Reads the lines of one [context] in order."""

    def __init__(self, section: Section, contexts: Sequence[str]) -> None:
        self._section, self._contexts = section, contexts
        self._last: dict[str, int] = {}
        self._extension = ""

    def findings(self) -> Iterator[Finding]:
        for setting in self._section.settings:
            match setting.key:
                case "exten":
                    name, _, rest = setting.value.partition(",")
                    self._extension = name.strip()
                    yield from self._name(setting)
                    yield from self._step(setting, rest.strip())
                case "same":
                    if not self._extension:
                        yield setting.line, f"«same» has no «exten» above it: {FORM}"
                    yield from self._step(setting, setting.value)
                case "include":
                    name = setting.value.split(",")[0].strip()
                    if name not in self._contexts:
                        yield setting.line, f"include of [{name}], which does not exist{nearest(name, self._contexts)}"
                case other if other not in KEYWORDS:
                    yield setting.line, f"«{other}» is unknown{nearest(other, KEYWORDS) or f': {FORM}'}"

    def _name(self, setting: Setting) -> Iterator[Finding]:
        if _LOOKS_LIKE_PATTERN.fullmatch(self._extension):
            yield setting.line, f"«{self._extension}» is a pattern: write _{self._extension}"
        if " " in self._extension or not self._extension:
            yield setting.line, f"«{self._extension}» is not a number: {FORM}"

    def _step(self, setting: Setting, text: str) -> Iterator[Finding]:
        step = _STEP.fullmatch(text)
        if step is None:
            yield setting.line, f"«{text}» has no priority and application: {FORM}"
            return
        if step["priority"] == "hint":
            return
        yield from self._priority(setting, step["priority"])
        yield from _call(setting.line, step["call"].strip())

    def _priority(self, setting: Setting, text: str) -> Iterator[Finding]:
        name, last = self._extension, self._last.get(self._extension, 0)
        given = last + 1 if text == "n" else int(text)
        if text == "n" and not last:
            yield setting.line, f"{name} has no priority 1, so calls to it fail: its first line is exten => {name},1,…"
        elif given <= last:
            yield setting.line, f"{name} has priority {given} already, on a line above: write n, or remove one"
        elif given != last + 1:
            what = f"priority {last + 1}" if last else "priority 1, so calls to it fail"
            yield setting.line, f"{name} has no {what}: write {last + 1} or n instead of {given}"
        self._last[name] = max(last, given)


def _call(line: int, text: str) -> Iterator[Finding]:
    """Check the application, its brackets, and the functions in its arguments."""
    if reason := brackets.mismatch(text):
        yield line, f"{reason} in «{text}»"
        return
    call = _CALL.fullmatch(text)
    if call is None:
        yield line, f"«{text}» is not an application: write Application(arguments)"
        return
    name, arguments = call["name"], (call["arguments"] or "()")[1:-1]
    if words().application(name) is None:
        yield line, f"{name}() is not an application of Asterisk{nearest(name, words().applications)}"
        return
    setting = name.lower() == "set"
    if setting and "=" not in arguments:
        yield line, f"Set({arguments}) sets nothing: write Set(NAME=value)"
    elif setting and _SPACED.search(arguments):
        yield line, f"Set({arguments}): Asterisk keeps the spaces, so nothing finds it: write Set(NAME=value)"
    for function in functions(arguments, is_setting=setting):
        if function not in words().functions:
            yield line, f"{function}() is not a function of Asterisk{nearest(function, words().functions)}"


def functions(arguments: str, *, is_setting: bool) -> list[str]:
    """Return the functions that arguments use: `${NAME(…)}`, and with `Set` also `NAME(…)=`."""
    found = _FUNCTION.findall(arguments)
    set_one = re.match(r"\s*([A-Za-z_]\w*)\([^=]*\)\s*=", arguments) if is_setting else None
    return [*found, *([set_one[1]] if set_one else [])]
