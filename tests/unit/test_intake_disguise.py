"""Media as an outsider disguised it: in lines of any width, with unseen characters, in formats without a long magic."""

import base64
import random
import time

import pytest

from services.intake.media import holds_media
from services.intake.screen import BETWEEN
from tests.support.intake import JPEG, PNG, b64

RANDOM = random.Random(11)
NOISE = RANDOM.randbytes(600)
SHORT_MAGIC = {
    "bmp": b"BM\x46\x20\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00" + NOISE,
    "tiff": b"II*\x00\x08\x00\x00\x00" + NOISE,
    "jxl": b"\x00\x00\x00\x0cJXL \r\n\x87\n" + NOISE,
    "flv": b"FLV\x01\x05\x00\x00\x00\x09" + NOISE,
    "mpeg": b"\x00\x00\x01\xba\x44" + NOISE,
    "zstd": b"\x28\xb5\x2f\xfd" + NOISE,
    "pdf": b"%PDF-1.7\n" + NOISE,
    "tar": b"a.jpg" + bytes(252) + b"ustar\x0000" + NOISE,
    "transport stream": b"".join(b"G@\x11\x10" + RANDOM.randbytes(184) for _ in range(5)),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='x'/></svg>" * 8,
}
UNSEEN = {"zero width space": "\u200b", "soft hyphen": "\u00ad", "word joiner": "\u2060", "byte order mark": "\ufeff"}


@pytest.mark.parametrize("width", [8, 20, 64, 76])
@pytest.mark.parametrize("name", SHORT_MAGIC)
def test_e01_lines_of_any_width_hide_no_format(name: str, width: int) -> None:
    """E01: base64 wrapped into lines of one width is media, whatever the format, alone or inside other text."""
    whole = b64(SHORT_MAGIC[name])
    lines = "\n".join(whole[at : at + width] for at in range(0, len(whole), width))
    assert holds_media(lines)
    assert holds_media(BETWEEN.join(["see what I was sent: " + lines, "harmless"]))


@pytest.mark.parametrize("name", ["transport stream", "svg"])
def test_e01_formats_without_a_long_magic_are_known(name: str) -> None:
    """E01: a transport stream has its mark every 188 bytes, a drawing begins with its element."""
    assert holds_media(b64(SHORT_MAGIC[name]))
    assert holds_media(base64.urlsafe_b64encode(SHORT_MAGIC[name]).decode().rstrip("="))
    assert holds_media(SHORT_MAGIC[name].hex())


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("data", [JPEG, PNG])
def test_e01_unseen_characters_hide_nothing(data: bytes, unseen: str) -> None:
    """E01: base64 with characters in it that nobody sees is media."""
    whole = b64(data)
    assert holds_media(UNSEEN[unseen].join(whole[at : at + 6] for at in range(0, len(whole), 6)))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(RANDOM.randbytes(24).hex() for _ in range(300)),
        "\n".join(b64(RANDOM.randbytes(24)) for _ in range(300)),
        " ".join("".join(RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(2_000)),
        "The <svg> element and a G in every line are text",
    ],
)
def test_e02_columns_of_one_width_are_not_media(text: str) -> None:
    """E02: lists of digests, of tokens and of words of one length are accepted."""
    assert not holds_media(text)


def test_lines_of_one_width_are_judged_in_linear_time() -> None:
    """A text of the largest size made of short lines of one width is judged without reading it again and again."""
    text = "\n".join(["abcdefgh"] * 29_000)
    begun = time.perf_counter()
    holds_media(text)
    assert time.perf_counter() - begun < 2
