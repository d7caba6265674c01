"""Parse one of Asterisk's configuration files to sections and settings, and find broken lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_HEADER = re.compile(r"\[(?P<name>[^\[\]]*)\]\s*(?:\((?P<options>[^()]*)\))?(?P<rest>.*)")
_INCLUDE = re.compile(r"#(?P<word>\w+)\s+[\"<]?(?P<file>[^\">]*)[\">]?\s*$")
_COMMENT = re.compile(r"(?<!\\);")
_UNSEEN = re.compile(r"[^\S \t]|[\x01-\x08\x0e-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff]")
"""Spaces that are no spaces, as text copied from a web page or a letter has."""
_TYPOGRAPHIC = re.compile("[\u201c-\u201f\u2018-\u201b]")
_BLOCK_OPENS, _BLOCK_ENDS = re.compile(r";--(?!-)"), "--;"


@dataclass(frozen=True)
class Setting:
    """A line `key=value` or `key => value`. The key is in small letters."""

    line: int
    key: str
    value: str


@dataclass
class Section:
    """A [section]: its templates, its own settings, and whether it is a template or an addition (`(+)`)."""

    name: str
    line: int
    templates: tuple[str, ...] = ()
    is_template: bool = False
    is_addition: bool = False
    settings: list[Setting] = field(default_factory=list)

    def last(self, key: str) -> Setting | None:
        """Return the last setting of this name, which counts for most options."""
        return next((each for each in reversed(self.settings) if each.key == key), None)


@dataclass(frozen=True)
class Broken:
    """A line that Asterisk can't use, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Included:
    """An `#include`. The file must exist unless it is `optional` (`#tryinclude`)."""

    line: int
    file: str
    optional: bool


@dataclass
class ConfigFile:
    """A parsed file. `settings` can also be read by section."""

    sections: list[Section] = field(default_factory=list)
    includes: list[Included] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)

    def named(self, name: str) -> list[Section]:
        return [section for section in self.sections if section.name == name]


def parse(text: str) -> ConfigFile:
    """Parse a file as Asterisk does, and collect the lines that it would refuse or ignore."""
    made = ConfigFile()
    for number, line in enumerate(text.split("\n"), start=1):
        if "\0" in line:
            made.broken.append(Broken(number, "a null character: the file is damaged, save it again as plain text"))
    for number, line in _lines(text):
        if unseen := _UNSEEN.search(line):
            reason = f"an invisible character (U+{ord(unseen[0]):04X}) that Asterisk takes for a letter: delete it"
            made.broken.append(Broken(number, reason))
        if quote := _TYPOGRAPHIC.search(line):
            made.broken.append(Broken(number, f'{quote[0]} is a quotation mark of a word processor: write "'))
        if line.startswith("["):
            _header(made, number, line)
        elif line.startswith("#"):
            _directive(made, number, line)
        else:
            _setting(made, number, line)
    return made


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Iterate over the lines that have content, without their comments."""
    in_block = False
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw
        if in_block:
            _, ended, line = raw.partition(_BLOCK_ENDS)
            in_block = not ended
            if in_block:
                continue
        while opened := _BLOCK_OPENS.search(line):
            _, ended, rest = line[opened.end() :].partition(_BLOCK_ENDS)
            in_block = not ended
            line = line[: opened.start()] + rest
        if line := _COMMENT.split(line, maxsplit=1)[0].strip(" \t\r"):
            yield number, line


def _header(made: ConfigFile, number: int, line: str) -> None:
    match = _HEADER.fullmatch(line)
    if match is None or match["rest"].strip():
        made.broken.append(Broken(number, f"«{line}» is not a section: write [name] or [name](template)"))
        if match is None:
            begun = re.match(r"\[([\w-]*)", line)
            made.sections.append(Section(begun[1] if begun else "", number))
            return
    name = match["name"].strip()
    if not name or name != match["name"] or " " in name:
        made.broken.append(Broken(number, f"«[{match['name']}]» is not a name: write it without spaces"))
    options = [part.strip() for part in (match["options"] or "").split(",") if part.strip()]
    templates = tuple(part for part in options if part not in ("!", "+"))
    made.sections.append(Section(name, number, templates, "!" in options, "+" in options))


def _directive(made: ConfigFile, number: int, line: str) -> None:
    match = _INCLUDE.match(line)
    word = match["word"] if match else line[1:].split()[0] if line[1:].split() else ""
    if match and word in ("include", "tryinclude"):
        made.includes.append(Included(number, match["file"].strip(), word == "tryinclude"))
    elif word == "exec":
        made.broken.append(Broken(number, "#exec is not allowed: it runs a program each time the file is read"))
    else:
        made.broken.append(Broken(number, f"«{line}» is unknown: write #include, or ; in front of a comment"))


def _setting(made: ConfigFile, number: int, line: str) -> None:
    key, equals, value = line.partition("=")
    if not equals or not key.strip():
        made.broken.append(Broken(number, f"«{line}» has no «=»: write name=value, or ; in front of a comment"))
    elif not made.sections:
        made.broken.append(Broken(number, f"«{line}» is before the first [section]"))
    else:
        text = value.removeprefix(">").strip().replace("\\;", ";")
        made.sections[-1].settings.append(Setting(number, key.strip().lower(), text))


def effective(section: Section, templates: Mapping[str, Section], *, limit: int = 20) -> Sequence[Setting]:
    """Return a section's settings after those of its templates."""
    inherited: list[Setting] = []
    for name in section.templates if limit else ():
        if name in templates:
            inherited += effective(templates[name], templates, limit=limit - 1)
    return [*inherited, *section.settings]
