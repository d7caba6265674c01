"""The patient that a search names: a system and an identity number, `urn:oid:…|…`."""

from api.fhir.errors import NoSuchIdentifier
from api.fhir.identifiers import system_of
from desk.numbers.errors import InvalidIdentity
from desk.numbers.identity_number import IdentityNumber, parse_identity


def read_person(written: str, *, allow_test: bool, allow_h: bool) -> IdentityNumber:
    """Read the identity number. Without a system, any kind is accepted. Raises NoSuchIdentifier."""
    system, bar, digits = written.rpartition("|")
    try:
        number = parse_identity(digits, allow_test=allow_test, allow_h=allow_h)
    except InvalidIdentity:
        raise NoSuchIdentifier from None
    if bar and system and system != system_of(number):
        raise NoSuchIdentifier
    return number
