"""No media, ever: found in every spelling, and nothing harmless taken for it."""

import base64
import random
import time
from collections.abc import Callable
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.media import holds_media
from services.intake.screen import BETWEEN
from tests.support.intake import JPEG, MP4, PNG, WEBP, ZIP, b64

RANDOM = random.Random(7)
GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00" + bytes(range(30))
FORMATS = {"jpeg": JPEG, "png": PNG, "zip": ZIP, "mp4": MP4, "webp": WEBP, "gzip": GZIP}
MORE = {
    "gif": b"GIF89a\x10\x00\x10\x00\x80" + bytes(30),
    "tiff": b"II*\x00\x08\x00\x00\x00" + bytes(30),
    "bmp": b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00",
    "webm": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01",
    "avi": b"RIFF\x24\x10\x00\x00AVI LIST" + bytes(20),
    "mov": b"\x00\x00\x00\x14ftypqt  " + bytes(20),
    "heic": b"\x00\x00\x00\x18ftypheic" + bytes(20),
    "7z": b"7z\xbc\xaf'\x1c\x00\x04" + bytes(20),
    "rar": b"Rar!\x1a\x07\x01\x00" + bytes(20),
    "xz": b"\xfd7zXZ\x00\x00\x04" + bytes(20),
    "bz2": b"BZh91AY&SY" + bytes(20),
    "pdf": b"%PDF-1.7\n" + bytes(20),
}
SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "base64": b64,
    "url-safe base64": lambda data: base64.urlsafe_b64encode(data).decode(),
    "base64 without padding": lambda data: b64(data).rstrip("="),
    "base64 in prose": lambda data: f"see the attached file {b64(data)} thank you",
    "base64 in quotes": lambda data: f'{{"file":"{b64(data)}"}}',
    "base64 twice": lambda data: b64(b64(data).encode()),
    "mime lines": lambda data: base64.encodebytes(data).decode(),
    "hex": lambda data: data.hex(),
    "upper-case hex": lambda data: data.hex().upper(),
    "hex with colons": lambda data: data.hex(":"),
    "hex with spaces": lambda data: data.hex(" "),
    "hex in C": lambda data: ", ".join(f"0x{byte:02x}" for byte in data),
    "hex escaped": lambda data: "".join(f"\\x{byte:02x}" for byte in data),
    "percent-encoded": quote_from_bytes,
    "data URI": lambda data: f"data:image/png;base64,{b64(data)}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_e01_media_is_found_in_every_spelling(name: str, spelling: str) -> None:
    """E01: each format in each spelling is media, alone and inside a long text."""
    text = SPELLINGS[spelling](FORMATS[name])
    assert holds_media(text)
    assert holds_media(BETWEEN.join(["harmless text " * 20, text, "more of it"]))


@pytest.mark.parametrize("name", MORE)
def test_further_formats_are_known(name: str) -> None:
    """Each further format is found in base64 and in hex."""
    assert holds_media(b64(MORE[name]))
    assert holds_media(MORE[name].hex())


@pytest.mark.parametrize(
    "text",
    [
        "/9j/4AAQSkZJRgABAQAAAQABAAD",
        "iVBORw0KGgo=",
        "UklGRiQQAABXRUJQVlA4",
        "UEsDBBQAAAAIAA",
        "AAAAIGZ0eXBpc29t",
        "data:,x",
        "data:text/plain,hello",
        "DATA:image/svg+xml;utf8,<svg/>",
        "data: image/jpeg ;base64,/9j/",
        "see data:image/png;base64,AAAA here",
        "data%3Aimage%2Fpng%3Bbase64%2CAAAA",
        "\n".join(b64(JPEG)[i : i + 4] for i in range(0, 60, 4)),
        "x" + b64(JPEG),
        JPEG.decode("latin-1"),
        PNG.decode("latin-1"),
        ZIP.decode("latin-1"),
    ],
)
def test_short_and_hidden_spellings_are_found(text: str) -> None:
    """A magic alone, a data URI of any kind, a run cut into pieces, and bytes as characters are media."""
    assert holds_media(text)


HARMLESS = {
    "prose": "Data: he told me; and then, photos/videos, later. base64 was mentioned, also JPEG, GIF89a and PK.",
    "metadata": "metadata:image/png, size unknown",
    "a URL with a path like a magic": "https://host.example/9j/abcdefghijklmnopqrstuvwxyz0123456789",
    "a token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "a PGP key": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBF" + b64(RANDOM.randbytes(600)) + "\n-----END",
    "long random base64": b64(RANDOM.randbytes(3_000)),
    "a SHA-256": RANDOM.randbytes(32).hex(),
    "a SHA-256 that begins like a picture": "ffd8ffe0" + "5a" * 28,
    "an MD5 that begins like an archive": "504b0304" + "5a" * 12,
    "a PhotoDNA hash": b64(RANDOM.randbytes(144)),
    "an address": "2001:db8:0:0:0:ff00:42:8329",
    "addresses": "192.0.2.1, 198.51.100.7",
    "a MAC address": "ff:d8:ff:e0:00:10",
    "a UUID": "ffd8ffe0-0010-4a46-8946-000101000000",
    "zeros": "0" * 64,
    "letters": "A" * 400,
    "a magnet link": "magnet:?xt=urn:btih:" + RANDOM.randbytes(20).hex(),
    "an onion address": "http://" + "a" * 56 + ".onion/",
    "nothing": "",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_e02_harmless_text_is_not_media(name: str) -> None:
    """E02: keys, tokens, hashes, addresses and prose are accepted."""
    assert not holds_media(HARMLESS[name])


def test_random_tokens_are_hardly_ever_media() -> None:
    """Of 5,000 random 32-byte tokens none is taken for media."""
    assert not any(holds_media(b64(RANDOM.randbytes(32))) for _ in range(5_000))


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    """No text raises, and prose of any script is judged the same alone and among other texts."""
    assert holds_media(text) in (True, False)


@pytest.mark.parametrize(
    "piece",
    [
        "data:",
        "/",
        "ff:",
        "f",
        "data: ",
        "data:a/",
        ";a",
        " ",
        "%41",
        "a/",
        "0x",
        "\\x",
        "AAAA",
        "/9j/",
        "RIFF",
        "data:a/b;",
    ],
)
def test_bait_for_patterns_takes_milliseconds(piece: str) -> None:
    """A text of the largest size made of any one piece is judged in linear time."""
    text = "data:" + piece * (256 * 1024 // len(piece))
    begun = time.perf_counter()
    holds_media(text)
    assert time.perf_counter() - begun < 2
