"""SRTP: the keys of RFC 3711's example, and packets that only the holder of the key can decrypt."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from ops.softphone.srtp import _AUTHENTICATION, _ENCRYPTION, _SALTING, Srtp, _derive, crypto_line, key_of, new_key

MASTER = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")


def packet(sequence: int, payload: bytes, *, sources: int = 0, extension: bytes = b"") -> bytes:
    first = 0x80 | sources | (0x10 if extension else 0)
    return (
        struct.pack("!BBHII", first, 8, sequence, 160 * sequence, 0x5EA1ED) + bytes(4 * sources) + extension + payload
    )


def test_session_keys_match_rfc_3711_appendix_b_3() -> None:
    assert _derive(MASTER, _ENCRYPTION, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert _derive(MASTER, _SALTING, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert _derive(MASTER, _AUTHENTICATION, 20).hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


@given(st.binary(max_size=200), st.integers(0, 3), st.sampled_from([b"", b"\xbe\xde\0\1abcd"]))
def test_encrypted_packet_is_decrypted_again(payload: bytes, sources: int, extension: bytes) -> None:
    plain = packet(7, payload, sources=sources, extension=extension)
    sealed = Srtp(MASTER).protect(plain)
    assert len(sealed) == len(plain) + 10
    assert len(payload) < 8 or payload not in sealed
    assert Srtp(MASTER).unprotect(sealed) == plain
    assert Srtp(bytes(30)).unprotect(sealed) is None


@given(st.integers(0, 8 * 42 - 1))
def test_changed_bit_is_detected(bit: int) -> None:
    sealed = bytearray(Srtp(MASTER).protect(packet(7, b"twenty bytes of sound")[:32]))
    sealed[bit // 8] ^= 1 << bit % 8
    assert Srtp(MASTER).unprotect(bytes(sealed)) is None


def test_sequence_numbers_that_wrap_start_another_round() -> None:
    sender, receiver = Srtp(MASTER), Srtp(MASTER)
    numbers = [65533, 65534, 65535, 0, 1, 2]
    sealed = [sender.protect(packet(number, b"sound of 20 ms")) for number in numbers]
    order = [0, 2, 1, 4, 3, 5]  # some packets overtake others
    opened = [receiver.unprotect(sealed[index]) for index in order]
    assert opened == [packet(numbers[index], b"sound of 20 ms") for index in order]


def test_short_and_foreign_packets_are_ignored() -> None:
    for data in (b"", b"x" * 9, b"x" * 21, b"\x9f" + b"x" * 30):
        assert Srtp(MASTER).unprotect(data) is None


def test_key_survives_writing_and_reading() -> None:
    key = new_key()
    assert len(key) == 30
    assert key_of(f"v=0\r\n{crypto_line(key)}\r\n") == key
    assert key_of(f"v=0\r\n{crypto_line(key)}|2^31|1:4\r\n") == key
    for line in (
        "",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
        "a=crypto:1 AEAD_AES_256_GCM inline:" + "A" * 40,
    ):
        assert key_of(line) is None
