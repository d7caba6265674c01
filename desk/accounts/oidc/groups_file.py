"""dialplan/access.toml read and checked: which of the provider's groups give which role, in which departments."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from desk.access.permissions import ALL_DEPARTMENTS, Grant, Role
from desk.accounts.errors import AccessFileError
from desk.files.toml_files import parse, read_text
from desk.files.toml_lines import key_lines

GROUPS: Final = "groups"
COMMENT: Final = "comment"
LONGEST_CLAIM: Final = 200
LONGEST_GROUP: Final = 200
ROLES: Final = tuple(role.value for role in Role)


@dataclass(frozen=True)
class GroupsToRoles:
    """What a group gives. `claim`: where in a token the groups stand; `name`: where the person's name does."""

    claim: str = "groups"
    name: str = "name"
    grants: Mapping[str, frozenset[Grant]] = field(default_factory=dict)

    def of(self, groups: Iterable[str]) -> frozenset[Grant]:
        """What somebody in those groups may do; nothing for groups that are not in the file."""
        return frozenset(grant for group in groups for grant in self.grants.get(group, ()))


def load_access(file: Path) -> GroupsToRoles:
    """Raises AccessFileError(file, line, reason), and takes nothing from a faulty file."""
    content, lines = _read(file)
    for place, reason in _faults(content):
        raise AccessFileError(file, _line(lines, place), reason)
    grants = {
        group: frozenset(Grant(Role(role), slug) for role in ROLES for slug in table.get(role, ()))
        for group, table in content.get(GROUPS, {}).items()
    }
    return GroupsToRoles(content.get("claim", "groups"), content.get("name", "name"), grants)


def unknown_departments(file: Path, known: Collection[str]) -> Iterator[tuple[int | None, str]]:
    """(line, reason) for each department of a faultless file that there is not. Raises as `load_access`."""
    load_access(file)
    content, lines = _read(file)
    for group, table in content.get(GROUPS, {}).items():
        for role in ROLES:
            for slug in table.get(role, ()):
                if slug != ALL_DEPARTMENTS and slug not in known:
                    near = get_close_matches(slug, known, n=1)
                    hint = f": did you mean {near[0]}?" if near else f": {', '.join(known)}"
                    yield _line(lines, (GROUPS, group, role)), f"there is no department {slug}{hint}"


def _read(file: Path) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    text = read_text(file, AccessFileError, missing="the file of groups and roles is missing")
    return parse(file, text, AccessFileError), key_lines(text)


def _line(lines: Mapping[tuple[str, ...], int], place: tuple[str, ...]) -> int | None:
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place)


def _faults(content: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong and at which key, in the order of the file."""
    for key, value in content.items():
        if key in ("claim", "name"):
            if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CLAIM:
                yield (key,), f'{key} is the name of a claim, in quotes: {key} = "{key if key == "name" else GROUPS}"'
        elif key != GROUPS:
            yield (key,), f"{key} is not known here{_meant(key, ('claim', 'name', GROUPS))}"
        elif not isinstance(value, dict):
            yield (key,), 'write each group as a table: [groups."its id"]'
        else:
            for group, table in value.items():
                yield from _faults_of(group, table)


def _faults_of(group: str, table: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    here = (GROUPS, group)
    if not isinstance(table, dict):
        yield here, f'group {group!r} is no table: write [groups."{group}"], the id in quotes'
        return
    if not 0 < len(group) <= LONGEST_GROUP:
        yield here, "a group's id has 1 to 200 signs"
    for role, departments in table.items():
        if role == COMMENT:
            continue
        if role not in ROLES:
            yield (*here, role), f"{role} is not a role{_meant(role, ROLES)}"
        elif not _are_slugs(departments):
            yield (*here, role), f'write the departments of {role} in a list: {role} = ["kirurgi"], or ["*"] for all'
    if not set(table) & set(ROLES):
        yield here, f"group {group!r} gives no role: write {' or '.join(ROLES)} with its departments"


def _are_slugs(departments: Any) -> bool:
    return isinstance(departments, list) and bool(departments) and all(isinstance(slug, str) for slug in departments)


def _meant(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f": did you mean {near[0]}?" if near else f": write one of {', '.join(known)}"
