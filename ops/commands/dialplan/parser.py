"""Parse extensions.conf to contexts, extensions and steps, and follow a call through them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ops.commands.dialplan.config_file import parse

_STEP = re.compile(r"(?P<priority>n|\d+|hint)(?:\((?P<label>[^)]*)\))?(?:[+]\d+)?,(?P<rest>.*)", re.S)
_APPLICATION = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?:\((?P<arguments>.*)\))?\s*$", re.S)
_FUNCTION = re.compile(r"\b([A-Z][A-Z0-9_]+)\(")
_LONGEST_PATH = 200


@dataclass(frozen=True)
class Step:
    """A call of one application, on `line` of the file."""

    line: int
    label: str
    application: str
    arguments: str

    @property
    def functions(self) -> frozenset[str]:
        """The dialplan functions that it uses, such as `TIMEOUT` or `CHANNEL`."""
        return frozenset(_FUNCTION.findall(self.arguments))

    def is_application(self, name: str) -> bool:
        return self.application.lower() == name.lower()


@dataclass
class Context:
    """One [context]: its line, its includes, and the steps of each extension, in order."""

    name: str
    line: int
    includes: list[str] = field(default_factory=list)
    extensions: dict[str, list[Step]] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A position in the dialplan. `index` counts the steps of the extension, from 0."""

    context: str
    extension: str
    index: int


class Dialplan:
    """All contexts of a file, by name. Included files are ignored, since they differ between machines."""

    def __init__(self, text: str) -> None:
        self.contexts: dict[str, Context] = {}
        for section in parse(text).sections:
            context = self.contexts.setdefault(section.name, Context(section.name, section.line))
            extension = ""
            for setting in section.settings:
                match setting.key:
                    case "include":
                        context.includes.append(setting.value.split(",")[0].strip())
                    case "exten":
                        extension, _, rest = (part.strip() for part in setting.value.partition(","))
                        self._add(context, extension, rest, setting.line)
                    case "same":
                        self._add(context, extension, setting.value, setting.line)

    def _add(self, context: Context, extension: str, rest: str, line: int) -> None:
        if not (parsed := _STEP.match(rest)):
            return
        called = _APPLICATION.match(parsed["rest"].strip())
        name, arguments = (called["name"], called["arguments"] or "") if called else (parsed["rest"], "")
        context.extensions.setdefault(extension, []).append(Step(line, parsed["label"] or "", name, arguments))

    def steps(self) -> Iterator[tuple[Context, str, Step]]:
        """Iterate over all steps, with their context and extension."""
        for context in self.contexts.values():
            for extension, steps in context.extensions.items():
                for step in steps:
                    yield context, extension, step

    def find(self, context: str, extension: str) -> Place | None:
        """Find the first step of an extension: its own, that of a pattern, or that of an included context."""
        return self._find(context, extension, set())

    def _find(self, name: str, extension: str, seen: set[str]) -> Place | None:
        context = self.contexts.get(name)
        if context is None or name in seen:
            return None
        seen.add(name)
        if extension in context.extensions:
            return Place(name, extension, 0)
        for pattern in context.extensions:
            if pattern.startswith("_") and _pattern(pattern).fullmatch(extension):
                return Place(name, pattern, 0)
        found = (self._find(each, extension, seen) for each in context.includes)
        return next((place for place in found if place), None)

    def step(self, place: Place) -> Step | None:
        """The step at a place; None past the last."""
        steps = self.contexts[place.context].extensions.get(place.extension, [])
        return steps[place.index] if place.index < len(steps) else None

    def target(self, place: Place, text: str) -> Place | None:
        """Where `Goto(text)` at `place` leads: `context,extension,priority`, `extension,priority` or one of the two."""
        parts = [part.strip() for part in text.split(",")]
        priority = parts[-1]
        context = parts[0] if len(parts) == 3 else place.context
        extension = parts[-2] if len(parts) > 1 else place.extension
        start = self.find(context, extension)
        if start is None:
            return None
        if priority.isdigit():
            last = len(self.contexts[start.context].extensions[start.extension])
            return Place(start.context, start.extension, int(priority) - 1) if 0 < int(priority) <= last else None
        labels = [step.label for step in self.contexts[start.context].extensions[start.extension]]
        return Place(start.context, start.extension, labels.index(priority)) if priority in labels else None

    def targets(self, step: Step) -> list[str]:
        """Return the targets of a Goto or GotoIf, true before false. Targets with variables are left out."""
        if step.is_application("Goto"):
            found = [step.arguments]
        elif step.is_application("GotoIf"):
            found = re.split(r":(?![^$]*\])", step.arguments.rpartition("?")[2])
        else:
            return []
        return [text.strip() for text in found if text.strip() and "${" not in text]

    def path(self, start: Place, *, doors_fail: bool = False) -> Iterator[tuple[Place, Step]]:
        """Follow a call from `start` through every Goto until a Hangup. A GotoIf counts as not taken.

        With `doors_fail` one that asks if Stasis() failed is taken.
        """
        place: Place | None = start
        for _ in range(_LONGEST_PATH):
            if place is None or (step := self.step(place)) is None:
                return
            yield place, step
            if step.is_application("Hangup"):
                return
            if step.is_application("Goto"):
                place = self.target(place, step.arguments)
            elif doors_fail and handles_failure(step) and (targets := self.targets(step)):
                place = self.target(place, targets[0])
            else:
                place = Place(place.context, place.extension, place.index + 1)


def handles_failure(step: Step) -> bool:
    """Whether a step leads a call on for which Stasis() failed."""
    return step.is_application("GotoIf") and "STASISSTATUS" in step.arguments and "FAILED" in step.arguments


def _pattern(pattern: str) -> re.Pattern[str]:
    """Convert a dialplan pattern to a regular expression."""
    kinds = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}
    parts = re.findall(r"\[[^\]]*\]|.", pattern[1:])
    return re.compile(
        "".join(part if part.startswith("[") else kinds.get(part.upper(), re.escape(part)) for part in parts)
    )
