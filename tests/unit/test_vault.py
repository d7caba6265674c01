"""Sealing, opening and finding identity numbers."""

import base64
from itertools import pairwise

import pytest

from desk.vault import CannotOpen, Vault
from tests.synthetic import synthetic_identity

COLUMN = "callbacks.patient_number"
NUMBER = synthetic_identity(1)


def vault(identity: int = 1, index: int = 2) -> Vault:
    return Vault(identity_key=bytes([identity]) * 32, index_key=bytes([index]) * 32)


def test_what_is_sealed_opens_again() -> None:
    assert vault().open(vault().seal(NUMBER, COLUMN), COLUMN) == NUMBER


def test_sealing_twice_gives_other_bytes_and_never_the_number() -> None:
    sealed = [vault().seal(NUMBER, COLUMN) for _ in range(50)]
    assert len(set(sealed)) == 50
    for each in sealed:
        assert each[0] == 1
        assert NUMBER.encode() not in each
        assert base64.b64encode(NUMBER.encode()) not in each


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        vault(identity=3).open(vault().seal(NUMBER, COLUMN), COLUMN)


def test_another_column_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        vault().open(vault().seal(NUMBER, COLUMN), "calls.patient_number")


def test_a_changed_byte_anywhere_does_not_open() -> None:
    sealed = vault().seal(NUMBER, COLUMN)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(CannotOpen):
            vault().open(changed, COLUMN)


@pytest.mark.parametrize("length", [0, 1, 12, 13, 20])
def test_a_stump_does_not_open(length: int) -> None:
    with pytest.raises(CannotOpen):
        vault().open(vault().seal(NUMBER, COLUMN)[:length], COLUMN)


def test_the_index_is_stable_keyed_and_differs_by_person() -> None:
    assert vault().index(NUMBER) == vault().index(NUMBER)
    assert len(vault().index(NUMBER)) == 32
    assert vault().index(NUMBER) != vault(index=4).index(NUMBER)
    indexes = [vault().index(synthetic_identity(n)) for n in range(100)]
    assert all(one != other for one, other in pairwise(sorted(indexes)))


@pytest.mark.parametrize(("identity", "index"), [(b"x" * 31, b"y" * 32), (b"x" * 32, b""), (b"x" * 32, b"x" * 32)])
def test_short_or_equal_keys_are_refused(identity: bytes, index: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        Vault(identity_key=identity, index_key=index)


def test_a_vault_shows_no_key() -> None:
    assert repr(vault()) == "Vault()"
