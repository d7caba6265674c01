"""Sealing, opening and finding identity numbers."""

import base64
from itertools import pairwise

import pytest

from desk.vault.errors import CannotOpen
from desk.vault.vault import Vault, version_of
from tests.support.synthetic import synthetic_identity

COLUMN = "inquiries.patient_number"
ROW = "8b1c0f0e-0000-4000-8000-000000000001"
NUMBER = synthetic_identity(1)


def vault(identity: int = 1, index: int = 2) -> Vault:
    return Vault(identity_key=bytes([identity]) * 32, index_key=bytes([index]) * 32)


def test_sealed_value_opens_again() -> None:
    assert vault().open(vault().seal(NUMBER, COLUMN, ROW), COLUMN, ROW) == NUMBER


def test_sealing_twice_gives_different_bytes_and_hides_the_number() -> None:
    sealed = [vault().seal(NUMBER, COLUMN, ROW) for _ in range(50)]
    assert len(set(sealed)) == 50
    for each in sealed:
        assert each[:3] == vault().header
        assert NUMBER.encode() not in each
        assert base64.b64encode(NUMBER.encode()) not in each


def test_other_key_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        vault(identity=3).open(vault().seal(NUMBER, COLUMN, ROW), COLUMN, ROW)


def test_other_column_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        vault().open(vault().seal(NUMBER, COLUMN, ROW), "calls.patient_number", ROW)


def test_value_with_a_changed_byte_does_not_open() -> None:
    sealed = vault().seal(NUMBER, COLUMN, ROW)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(CannotOpen):
            vault().open(changed, COLUMN, ROW)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 12, 13, 15, 16, 31, 41])
def test_truncated_value_does_not_open(length: int) -> None:
    with pytest.raises(CannotOpen):
        vault().open(vault().seal(NUMBER, COLUMN, ROW)[:length], COLUMN, ROW)


def test_index_is_stable_keyed_and_differs_by_person() -> None:
    assert vault().index(NUMBER) == vault().index(NUMBER)
    assert len(vault().index(NUMBER)) == 34
    assert vault().index(NUMBER) != vault(index=4).index(NUMBER)
    indexes = [vault().index(synthetic_identity(n)) for n in range(100)]
    assert all(one != other for one, other in pairwise(sorted(indexes)))


def test_new_index_key_is_named_in_its_values_and_old_key_still_finds() -> None:
    both = Vault(identity_key=b"i" * 32, index_key=b"n" * 32, index_version=2, older_index={1: bytes([2]) * 32})
    new, old = both.indexes(NUMBER)
    assert old == vault().index(NUMBER)
    assert (new[:2], old[:2], both.index(NUMBER)) == (b"\0\2", b"\0\1", new)
    assert list(both.derived("audit")) == [2, 1]
    assert both.derived("audit")[1] == vault().derived("audit")[1] != vault().derived("other")[1]
    with pytest.raises(ValueError, match="must differ"):
        Vault(identity_key=b"i" * 32, index_key=b"n" * 32, older_index={2: b"i" * 32})


@pytest.mark.parametrize(("identity", "index"), [(b"x" * 31, b"y" * 32), (b"x" * 32, b""), (b"x" * 32, b"x" * 32)])
def test_short_or_equal_keys_are_refused(identity: bytes, index: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        Vault(identity_key=identity, index_key=index)


def test_repr_of_a_vault_hides_its_keys() -> None:
    assert repr(vault()) == "Vault(version=1)"


def test_other_row_does_not_open_it() -> None:
    with pytest.raises(CannotOpen):
        vault().open(vault().seal(NUMBER, COLUMN, ROW), COLUMN, ROW[:-1] + "2")


def test_row_ids_may_be_numbers() -> None:
    assert vault().open(vault().seal(NUMBER, COLUMN, 7), COLUMN, "7") == NUMBER


def newer() -> Vault:
    return Vault(identity_key=b"n" * 32, version=2, older={1: bytes([1]) * 32}, index_key=bytes([2]) * 32)


def test_old_key_still_opens_and_new_key_seals() -> None:
    old, new = vault().seal(NUMBER, COLUMN, ROW), newer().seal(NUMBER, COLUMN, ROW)
    assert newer().open(old, COLUMN, ROW) == newer().open(new, COLUMN, ROW) == NUMBER
    assert (version_of(old), version_of(new)) == (1, 2)
    assert old.startswith(vault().header)
    assert new.startswith(newer().header)
    with pytest.raises(CannotOpen):
        vault().open(new, COLUMN, ROW)


def test_value_of_one_key_version_does_not_open_as_another() -> None:
    sealed = newer().seal(NUMBER, COLUMN, ROW)
    with pytest.raises(CannotOpen):
        newer().open(sealed[:2] + b"\1" + sealed[3:], COLUMN, ROW)
