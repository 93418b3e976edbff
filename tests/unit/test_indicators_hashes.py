"""Hashes (edge cases E60, E61, E62; hostile input 57)."""

import base64

import pytest

from contracts.vocabulary import Flag, HashAlgorithm
from services.indicators.hashes import parse_hash

SHA1 = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"


@pytest.mark.parametrize("prefix", ["", "sha1:", "SHA-1:", "sha1=", "urn:sha1:", " "])
def test_e62_hex_and_base32_of_one_file_are_one_value(prefix: str) -> None:
    """E62: SHA-1 in hex, in base32, upper case and with a prefix is the same lower-case hex."""
    base32 = base64.b32encode(bytes.fromhex(SHA1)).decode()

    for text in (SHA1, SHA1.upper(), base32, base32.lower()):
        assert SHA1 == parse_hash(HashAlgorithm.SHA1, prefix + text).value


@pytest.mark.parametrize(
    ("algorithm", "digits"),
    [(HashAlgorithm.MD5, 32), (HashAlgorithm.SHA256, 64), (HashAlgorithm.PDQ, 64), (HashAlgorithm.PHOTODNA, 288)],
)
def test_e60_each_algorithm_has_its_length(algorithm: HashAlgorithm, digits: int) -> None:
    """E60: the named algorithm decides the length; nothing is guessed from it."""
    assert not parse_hash(algorithm, "Ab" * (digits // 2)).flags
    for wrong in ("ab" * (digits // 2 - 1), "ab" * (digits // 2 + 1), "zz" * (digits // 2), ""):
        found = parse_hash(algorithm, wrong)
        assert ((Flag.BAD_HASH,), wrong) == (found.flags, found.value)


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        (HashAlgorithm.MD5, "d41d8cd98f00b204e9800998ecf8427e"),
        (HashAlgorithm.SHA1, "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"),
        (HashAlgorithm.SHA1, "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"),
        (HashAlgorithm.SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (HashAlgorithm.SHA256, "0" * 64),
    ],
)
def test_e61_the_empty_file_identifies_nothing(algorithm: HashAlgorithm, value: str) -> None:
    """E61: the hash of the empty file, in any spelling, and the zero hash are flagged."""
    assert parse_hash(algorithm, value).flags == (Flag.NULL_HASH,)


def test_photodna_comes_in_three_spellings() -> None:
    """Hex, base64 and 144 numbers are the same hash."""
    body = bytes(range(144))
    spellings = (body.hex(), base64.b64encode(body).decode(), ",".join(map(str, body)))

    assert {body.hex()} == {parse_hash(HashAlgorithm.PHOTODNA, text).value for text in spellings}


def test_spaces_between_the_digits_do_not_matter() -> None:
    """A hash wrapped over two lines is still the hash; the text as sent is kept."""
    sent = f"sha256: {'ab' * 16}\n {'ab' * 16}"
    found = parse_hash(HashAlgorithm.SHA256, sent)

    assert ("ab" * 32, sent) == (found.value, found.raw)
