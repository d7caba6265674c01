"""Find mistakes in pjsip.conf: unknown words, sections that name others that do not exist, and calls from anyone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops.commands.dialplan import sip_objects
from ops.commands.dialplan.config_file import ConfigFile, Section, Setting, effective
from ops.commands.dialplan.words import SipKind, nearest, words

GENERATED_TEMPLATES = ("identification", "phone-security", "trunk-security")
"""Templates that Asterisk's start writes to local/pjsip.conf."""
GENERATED = (
    ("transport-udp", "transport"),
    ("transport-tls", "transport"),
    ("trunk", "aor"),
    ("trunk-account", "auth"),
)
"""Sections that Asterisk's start writes there too, by name and type. Each phone's password is another."""
YES_OR_NO = ("yes", "true", "y", "t", "1", "on", "no", "false", "n", "f", "0", "off")
CHECKED_VALUES: Mapping[str, tuple[str, ...]] = {
    "dtmf_mode": ("none",),
    "identify_by": (),
    "redirect_method": (),
    "timers": (),
    "media_encryption": (),
    "auth_type": (),
    "protocol": (),
    "100rel": (),
    "direct_media_method": (),
}
"""Options whose values are checked here, with those that Asterisk takes besides the documented ones."""

Finding = tuple[Path, int, str]


@dataclass
class SipObject:
    """A section of one type, with the settings of its templates. Each setting has the file it is in."""

    path: Path
    section: Section
    kind: str
    settings: list[tuple[Path, Setting]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.section.name

    def last(self, key: str) -> tuple[Path, Setting] | None:
        return next((each for each in reversed(self.settings) if each[1].key == key), None)

    def value(self, key: str, default: str = "") -> str:
        found = self.last(key)
        return found[1].value if found else default

    def all(self, key: str) -> list[tuple[Path, Setting]]:
        return [each for each in self.settings if each[1].key == key]


class SipFiles:
    """pjsip.conf and the files it includes, as objects. `contexts` are those of the dialplan."""

    def __init__(self, files: Mapping[Path, ConfigFile], contexts: Collection[str]) -> None:
        self._files, self._contexts = files, contexts
        self._templates: dict[str, tuple[Path, Section]] = {}
        self.objects: list[SipObject] = []
        self._findings = list(self._read())

    @property
    def endpoints(self) -> list[str]:
        """The names of all endpoints: what Dial() can call."""
        return [each.name for each in self.objects if each.kind == "endpoint"]

    def findings(self) -> list[Finding]:
        found = list(self._findings)
        for each in self.objects:
            found += self._words(each)
        found += sip_objects.findings(self.objects, self._contexts, GENERATED)
        return found

    def _read(self) -> Iterator[Finding]:
        seen: dict[tuple[str, str], tuple[Path, int]] = {}
        for path, file in self._files.items():
            for section in file.sections:
                yield from self._lost_templates(path, section)
                if section.is_template:
                    yield from self._template(path, section)
                elif section.is_addition:
                    yield from self._addition(path, section)
                else:
                    yield from self._object(path, section, seen)

    def _template(self, path: Path, section: Section) -> Iterator[Finding]:
        if section.name in self._templates:
            yield path, section.line, f"[{section.name}](!) is there twice: give one another name"
        self._templates[section.name] = (path, section)

    def _addition(self, path: Path, section: Section) -> Iterator[Finding]:
        own = [each for each in self.objects if each.name == section.name]
        if not own:
            yield path, section.line, f"[{section.name}](+) adds to a section that is not above it"
        for each in own[:1]:
            each.settings += [(path, setting) for setting in section.settings]

    def _object(self, path: Path, section: Section, seen: dict[tuple[str, str], tuple[Path, int]]) -> Iterator[Finding]:
        made = SipObject(path, section, "", self._effective(path, section))
        made.kind = made.value("type").lower()
        where, kinds = path, words().sip
        if not made.kind:
            yield path, section.line, f"[{section.name}] has no type=: write type=endpoint, aor, auth or identify"
            return
        if made.kind not in kinds:
            found = made.last("type")
            line = found[1].line if found else section.line
            yield found[0] if found else path, line, f"type={made.kind} is unknown{nearest(made.kind, kinds)}"
            return
        key = (section.name, made.kind)
        if key in seen:
            where, line = seen[key]
            place = f"line {line}" if where == path else f"line {line} of {where.name}"
            yield path, section.line, f"[{section.name}] with type={made.kind} is on {place} already: remove one"
        seen.setdefault(key, (path, section.line))
        self.objects.append(made)

    def _lost_templates(self, path: Path, section: Section) -> Iterator[Finding]:
        known = [*self._templates, *GENERATED_TEMPLATES]
        for name in section.templates:
            if name not in known:
                advice = nearest(name, known) or ": define it above as [name](!)"
                yield path, section.line, f"[{section.name}] uses the template «{name}», which does not exist{advice}"

    def _effective(self, path: Path, section: Section) -> list[tuple[Path, Setting]]:
        sections = {name: each for name, (_, each) in self._templates.items()}
        origin = {id(setting): where for where, each in self._templates.values() for setting in each.settings}
        return [(origin.get(id(setting), path), setting) for setting in effective(section, sections)]

    def _words(self, each: SipObject) -> Iterator[Finding]:
        """Check the names of the options, and the values of some."""
        kind = words().sip[each.kind]
        for path, setting in each.settings:
            if setting.key not in kind.options:
                reason = f"type={each.kind} has no option «{setting.key}»{nearest(setting.key, kind.options)}"
                yield path, setting.line, reason
            elif wrong := _wrong_value(kind, setting):
                yield path, setting.line, wrong


def _wrong_value(kind: SipKind, setting: Setting) -> str | None:
    key, value = setting.key, setting.value
    if key in kind.booleans:
        return None if value.lower() in YES_OR_NO else f"{key}={value}: write yes or no"
    if not value:
        return f"{key}= has no value: write one, or remove the line"
    if key not in CHECKED_VALUES or key not in kind.values:
        return None
    allowed: Sequence[str] = (*kind.values[key], *CHECKED_VALUES[key])
    wrong = [part for part in (part.strip() for part in value.split(",")) if part.lower() not in allowed]
    return f"{key}={wrong[0]} is unknown{nearest(wrong[0], allowed)} ({', '.join(allowed)})" if wrong else None
