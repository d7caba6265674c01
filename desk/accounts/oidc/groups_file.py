"""dialplan/access.toml: which of the provider's groups give which role in which departments."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from desk.access.permissions import ALL_DEPARTMENTS, Grant, Role
from desk.accounts.errors import AccessFileError
from desk.files.edited_file import EditedFile
from desk.files.toml_files import read_text
from desk.files.toml_lines import key_lines
from desk.files.toml_models import TomlTable, line_of, load_toml, refusal, wrong

LONGEST: Final = 200
"""Of a claim's name, and of a group's id."""
AS_TABLE: Final = 'must be a table: write [groups."its id"], the id in quotes'
MISSING: Final = "the file of groups and roles is missing"


@dataclass(frozen=True)
class GroupsToRoles:
    """The roles of each group. `claim` and `name` are the token's claims with the groups and the person's name."""

    claim: str = "groups"
    name: str = "name"
    grants: Mapping[str, frozenset[Grant]] = field(default_factory=dict)

    def of(self, groups: Iterable[str]) -> frozenset[Grant]:
        """Return what these groups give together. Groups that are not in the file give nothing."""
        return frozenset(grant for group in groups for grant in self.grants.get(group, ()))


def _claim(value: object) -> object:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise wrong('must be the name of a claim, in quotes, such as "groups"')
    return value


def _table(value: object) -> object:
    if not isinstance(value, dict):
        raise wrong(AS_TABLE)
    return value


def _group_id(group: str) -> str:
    if not 0 < len(group) <= LONGEST:
        raise refusal(f"a group's id has 1 to {LONGEST} characters")
    return group


def _slugs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(slug, str) for slug in value):
        raise wrong('must be a list of departments, such as ["kirurgi"], or ["*"] for all')
    return tuple(value)


Claim: TypeAlias = Annotated[str, BeforeValidator(_claim)]
Slugs: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_slugs)]


class GroupTable(TomlTable):
    """[groups."…"]: the departments in which the group has each role."""

    comment: Any = None
    agent: Slugs = ()
    leader: Slugs = ()
    operator: Slugs = ()
    auditor: Slugs = ()
    admin: Slugs = ()

    @model_validator(mode="after")
    def _any_role(self) -> Self:
        if not self.grants:
            raise refusal(f"the group gives no role: write {' or '.join(Role)} with its departments")
        return self

    @property
    def grants(self) -> frozenset[Grant]:
        """The roles, each in one department."""
        return frozenset(Grant(role, slug) for role in Role for slug in getattr(self, role))


class AccessTable(TomlTable):
    """The whole file."""

    claim: Claim = "groups"
    name: Claim = "name"
    groups: Annotated[
        dict[Annotated[str, AfterValidator(_group_id)], Annotated[GroupTable, BeforeValidator(_table)]],
        BeforeValidator(_table),
    ] = Field({})


def load_access(file: Path) -> GroupsToRoles:
    """Read access.toml. Raises AccessFileError(file, line, reason), and takes nothing from a faulty file."""
    table = load_toml(file, AccessTable, AccessFileError, missing=MISSING)
    return GroupsToRoles(table.claim, table.name, {group: each.grants for group, each in table.groups.items()})


def unknown_departments(file: Path, known: Collection[str]) -> Iterator[tuple[int | None, str]]:
    """Yield (line, reason) for each department in the file that does not exist. Raises AccessFileError."""
    table = load_toml(file, AccessTable, AccessFileError, missing=MISSING)
    lines = key_lines(read_text(file, AccessFileError))
    for group, each in table.groups.items():
        for role in Role:
            for slug in getattr(each, role):
                if slug != ALL_DEPARTMENTS and slug not in known:
                    near = get_close_matches(slug, known, n=1)
                    hint = f": did you mean {near[0]}?" if near else f": {', '.join(known)}"
                    yield line_of(("groups", group, role), lines), f"there is no department {slug}{hint}"


class AccessFile(EditedFile[GroupsToRoles, AccessFileError]):
    """access.toml: call it for what groups give now. None while there has been no valid file: no one is let in."""

    refused = "The file of groups and roles is refused: the last valid one is still used"
    reloaded = "The file of groups and roles was read again"

    def __init__(
        self, file: Path, *, seconds: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__(file, load_access, AccessFileError, seconds=seconds, wall=wall)

    def __call__(self) -> GroupsToRoles | None:
        """Return the current mapping."""
        return self._current()
