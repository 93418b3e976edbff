"""Media in base32 and base 85, and the format whose magic is two bytes; nothing harmless is taken for them."""

import base64
import random
import time
from collections.abc import Callable

import pytest

from services.intake.media import holds_media
from services.intake.screen import BETWEEN
from tests.support.intake import b64
from tests.unit.test_intake_media import FORMATS, HARMLESS, MORE

RANDOM = random.Random(13)
NOISE = RANDOM.randbytes(400)
JXL = b"\xff\x0a\xfa\x1f\x01\x90" + NOISE
GIT85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def base32(data: bytes) -> str:
    """RFC 4648, padded."""
    return base64.b32encode(data).decode()


def lines(text: str, width: int = 76) -> str:
    """*text* in lines."""
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


BASE32: dict[str, Callable[[bytes], str]] = {
    "base32": base32,
    "base32 in small letters": lambda data: base32(data).lower(),
    "base32 without padding": lambda data: base32(data).rstrip("="),
    "base32 in lines": lambda data: lines(base32(data)),
    "base32 in quotes": lambda data: f'{{"file":"{base32(data)}"}}',
}
BASE85: dict[str, Callable[[bytes], str]] = {
    "Ascii85": lambda data: base64.a85encode(data).decode(),
    "Ascii85 as Adobe marks it": lambda data: base64.a85encode(data, adobe=True).decode(),
    "Ascii85 in lines": lambda data: base64.a85encode(data, wrapcol=60).decode(),
    "base 85 of git": lambda data: base64.b85encode(data).decode(),
    "base 85 in prose": lambda data: f"decode this: {base64.b85encode(data).decode()} please",
    "base 85 in quotes": lambda data: f'{{"file":"{base64.b85encode(data).decode()}"}}',
    "Z85": lambda data: base64.b85encode(data).decode().translate(str.maketrans(GIT85, Z85)),
}


@pytest.mark.parametrize("spelling", BASE32 | BASE85)
@pytest.mark.parametrize("name", [name for name in FORMATS | MORE if name != "bmp"])
def test_e01_no_spelling_hides_a_format(name: str, spelling: str) -> None:
    """E01: each format with a magic of four bytes is media in base32 and each base 85, alone and among other texts."""
    text = (BASE32 | BASE85)[spelling]((FORMATS | MORE)[name] + NOISE)

    assert holds_media(text)
    assert holds_media(BETWEEN.join(["harmless text " * 20, text, "more of it"]))


@pytest.mark.parametrize("spelling", [b64, lambda data: data.hex(), base64.encodebytes, base64.urlsafe_b64encode])
def test_e01_a_bare_jpeg_xl_codestream_is_known(spelling: Callable[[bytes], str | bytes]) -> None:
    """E01: two bytes of magic count where a picture's worth of an encoder's characters follows."""
    spelled = spelling(JXL)
    text = spelled.decode() if isinstance(spelled, bytes) else spelled

    assert holds_media(text)
    assert holds_media("see: " + text)


@pytest.mark.parametrize(
    "text",
    [
        "/wordpress/content/uploads/and/many/more/words/of/a/path/" * 6,
        "/women-and-children-first-" * 12,
        b64(b"\xff\x0a" + NOISE[:100]),
        b64(b"\xff\x0a" + NOISE[:142]),
        (b"\xff\x0a" + NOISE[:62]).hex(),
        "\n".join((b"\xff\x0a" + RANDOM.randbytes(30)).hex() for _ in range(40)),
        "http://" + base32(b"\xff\xd8\xff" + NOISE[:32]).lower() + ".onion/",
        "magnet:?xt=urn:btih:" + base32(b"\xff\xd8\xff" + NOISE[:17]),
        "Donaudampfschifffahrtsgesellschaftskapitaen ANTICONSTITUTIONNELLEMENT",
        "see s4IA0 and iBL{Q in the manual",
        *HARMLESS.values(),
    ],
)
def test_e02_paths_digests_and_long_words_are_not_media(text: str) -> None:
    """E02: what only looks like the start of such a run is accepted."""
    assert not holds_media(text)


def test_random_tokens_in_these_spellings_are_hardly_ever_media() -> None:
    """Of 3,000 random 40-byte tokens in each spelling none is taken for media."""
    for spelling in (base32, *BASE85.values()):
        assert not any(holds_media(spelling(RANDOM.randbytes(40))) for _ in range(3_000))


@pytest.mark.parametrize("piece", ["'", "s4IA", "77MP", "=a", "<~", "A", "a2"])
def test_bait_for_these_spellings_takes_milliseconds(piece: str) -> None:
    """A text of the largest size made of any one piece is judged in linear time."""
    begun = time.perf_counter()
    holds_media(piece * (256 * 1024 // len(piece)))
    assert time.perf_counter() - begun < 2
