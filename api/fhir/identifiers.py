"""Identifiers of persons and departments: whose number it is (Norwegian OIDs), and how a search names one."""

from collections.abc import Mapping
from typing import Any, Final

from desk.numbers.identity_number import D_DAY, IdentityKind, IdentityNumber

BIRTH_NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.1"
D_NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.2"
FH_NUMBER: Final = "urn:oid:2.16.578.1.12.4.1.4.3"
OWN_NUMBER: Final = "urn:innringing:h-number"
"""H-numbers are an institution's own and have no system of the whole country."""
DEPARTMENT: Final = "urn:innringing:department"
"""The slugs of departments.toml."""

_OF_KIND: Final[Mapping[IdentityKind, str]] = {
    IdentityKind.DNR: D_NUMBER,
    IdentityKind.FH: FH_NUMBER,
    IdentityKind.HNR: OWN_NUMBER,
}


def system_of(number: IdentityNumber) -> str:
    """The system of a number. A synthetic one has that of the numbers it imitates."""
    if number.kind in (IdentityKind.TENOR, IdentityKind.NAV, IdentityKind.NHN) and int(number.value[:2]) > D_DAY:
        return D_NUMBER
    return _OF_KIND.get(number.kind, BIRTH_NUMBER)


def identifier_of(number: IdentityNumber) -> dict[str, Any]:
    """The whole identity number as an identifier."""
    return {"system": system_of(number), "value": number.value}
