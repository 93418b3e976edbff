"""URLs and hosts, never fetched (edge cases E20, E22-E27; hostile inputs 29-45)."""

import base64
import time
from hashlib import sha3_256

import pytest

from contracts.vocabulary import Flag, UrlKind
from services.indicators.urls import extract_urls, parse_url, registrable_domain

WORST_CASE_S = 0.5
"""The promise is 50 ms; ten times that on a machine that shares two cores with other work."""


def onion(key: bytes, *, version: int = 3) -> str:
    """The onion name of a public key."""
    checksum = sha3_256(b".onion checksum" + key + bytes([version])).digest()[:2]
    return base64.b32encode(key + checksum + bytes([version])).decode().lower() + ".onion"


GOOD_ONION = onion(bytes(range(32)))


@pytest.mark.parametrize(
    "same",
    [
        "http://EXÄMPLE.example:80/a/~b?id=7",
        "http://xn--exmple-cua.example./a/%7Eb?id=7",
        "HTTP://exämple.example/x/../a/%7eb?id=7#part",
        "http://exämple.example/a/~b?utm_source=mail&id=7&fbclid=abc",
        "http://user:secret@exämple.example/a/~b?id=7&%75tm_medium=x",
    ],
)
def test_e22_spellings_of_one_place_have_one_canonical_form(same: str) -> None:
    """E22: case, punycode, dot, port, escapes, fragment and tracking do not make another place; the original stays."""
    found = parse_url(same)

    assert found.canonical == "http://xn--exmple-cua.example/a/~b?id=7"
    assert same == found.raw


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/Path", "http://a.example/path"),
        ("http://a.example/?id=1", "http://a.example/?id=2"),
        ("http://a.example/a", "https://a.example/a"),
        ("http://a.example/a", "http://a.example:8080/a"),
        ("http://a.example/%2F", "http://a.example//"),
        ("http://a.example/%252e", "http://a.example/%2e"),
    ],
)
def test_e23_different_places_are_never_merged(one: str, other: str) -> None:
    """E23: path case, query ids, scheme, port and real escapes tell places apart."""
    assert parse_url(one).canonical != parse_url(other).canonical


@pytest.mark.parametrize(
    "text",
    [
        "hxxp://example[.]com/x", "hXXp://example[dot]com/x", "http[:]//example(.)com/x", "http[://]example{.}com/x",
        "h**p://example(dot)com/x", "http://example dot com/x", "hxxp[:]//example[.]com[/]x",
    ],
)  # fmt: skip
def test_e24_defanged_links_are_understood(text: str) -> None:
    """E24: a closed list of defanged forms, flagged; what was sent is kept."""
    found = parse_url(text)

    assert found.canonical == "http://example.com/x"
    assert Flag.REFANGED in found.flags
    assert text == found.raw


def test_e24_a_path_is_never_refanged() -> None:
    """Brackets behind the host belong to the path."""
    assert parse_url("http://a.example/x[.]y(dot)z").canonical == "http://a.example/x[.]y(dot)z"


@pytest.mark.parametrize(
    ("host", "flags"),
    [
        (GOOD_ONION, (Flag.ONION,)),
        (f"www.{GOOD_ONION}", (Flag.ONION,)),
        ("a" * 16 + ".onion", (Flag.ONION, Flag.ONION_V2)),
        (("b" if GOOD_ONION[0] == "a" else "a") + GOOD_ONION[1:], (Flag.ONION_INVALID,)),
        (onion(bytes(32), version=4), (Flag.ONION_INVALID,)),
        ("example.onion", (Flag.ONION_INVALID,)),
        ("0" * 56 + ".onion", (Flag.ONION_INVALID,)),
    ],
)
def test_e25_onion_names_are_checked(host: str, flags: tuple[Flag, ...]) -> None:
    """E25: valid, old and impossible onion names are told apart by their checksum."""
    found = parse_url(f"http://{host}/x")

    assert (UrlKind.ONION, flags) == (found.kind, found.flags)
    assert found.domain is None


@pytest.mark.parametrize(
    ("text", "kind", "flags"),
    [
        ("magnet:?xt=urn:btih:" + "AB" * 20, UrlKind.P2P, ()),
        ("ed2k://|file|name|10|0123|/", UrlKind.P2P, ()),
        ("ipfs://bafy/x", UrlKind.IPFS, ()),
        ("https://t.me/+invite", UrlKind.MESSENGER, ()),
        ("https://discord.gg/abc", UrlKind.MESSENGER, ()),
        ("https://discord.com/invite/abc", UrlKind.MESSENGER, ()),
        ("tg://join?invite=x", UrlKind.MESSENGER, ()),
        ("http://name.i2p/", UrlKind.I2P, (Flag.I2P,)),
        ("file:///etc/passwd", UrlKind.OTHER, (Flag.OTHER_SCHEME,)),
        ("javascript:alert(1)", UrlKind.OTHER, (Flag.OTHER_SCHEME,)),
        ("gopher://a.example/", UrlKind.OTHER, (Flag.OTHER_SCHEME,)),
        ("about:blank", UrlKind.OTHER, (Flag.OTHER_SCHEME,)),
        ("http://localhost/", UrlKind.LOCAL, ()),
        ("http://printer.local/", UrlKind.LOCAL, ()),
        ("ftp://a.example/x", UrlKind.WEB, ()),
        ("https://discord.com/blog", UrlKind.WEB, ()),
    ],
)
def test_e26_every_link_has_a_kind(text: str, kind: UrlKind, flags: tuple[Flag, ...]) -> None:
    """E26: what no address can be found for is typed, not refused."""
    found = parse_url(text)

    assert (kind, flags) == (found.kind, found.flags)


@pytest.mark.parametrize("text", ["file:///etc/passwd", "javascript:alert(1)", "about:blank"])
def test_e26_what_names_no_shared_thing_has_no_canonical_form(text: str) -> None:
    """E26: such texts are kept, never compared."""
    assert parse_url(text).canonical is None


def test_e26_a_magnet_link_is_its_content() -> None:
    """Names and trackers of a magnet link do not matter, its hash does."""
    one = parse_url("magnet:?dn=a&xt=urn:btih:" + "AB" * 20 + "&tr=http://t.example/")
    other = parse_url("magnet:?xt=urn:btih:" + "ab" * 20)

    assert one.canonical == other.canonical


@pytest.mark.parametrize("text", ["https://bit.ly/x", "http://sub.linktr.ee/x", "tinyurl.com/x"])
def test_e27_shorteners_and_link_hubs_are_flagged(text: str) -> None:
    """E27: they are never followed."""
    assert Flag.REDIRECTOR in parse_url(text).flags


@pytest.mark.parametrize("host", ["3232235777", "0x7f.1", "0300.0.2.1", "127.1", "\uff11\uff12\uff17.0.0.1"])
def test_e20_an_odd_address_as_host_is_never_guessed(host: str) -> None:
    """E20: the parser of browsers would turn it into an address; we keep readings."""
    found = parse_url(f"http://{host}/x")

    assert (None, None) == (found.ip, found.domain)
    assert Flag.NONSTANDARD_IP in found.flags
    assert found.readings


def test_an_address_literal_is_its_own_host() -> None:
    """A literal in standard spelling is located; a mapped one as its inner address."""
    assert parse_url("http://192.0.2.7:8080/x").ip == "192.0.2.7"
    assert parse_url("http://[::ffff:192.0.2.7]/").ip == "192.0.2.7"
    assert parse_url("http://[2001:DB8::1]/").canonical == "http://[2001:db8::1]/"
    assert parse_url("http://2001:db8::1/x").ip == "2001:db8::1"


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("http://example.com\\@evil.test/", "evil.test"),
        ("http://evil.test#@example.com/", "example.com"),
        ("http://1.1.1.1 &@2.2.2.2# @3.3.3.3/", "3.3.3.3"),
        ("http://a.test@b.test@c.test/", "a.test"),
    ],
)
def test_where_parsers_disagree_every_candidate_is_kept(text: str, reading: str) -> None:
    """Hostile inputs 32, 33: flagged, no address is located, the other reading is recorded."""
    found = parse_url(text)

    assert Flag.AMBIGUOUS_HOST in found.flags
    assert reading in found.readings
    assert found.ip is None


@pytest.mark.parametrize(
    "text", ["http://%65xample.com/", "http://example.com%2f@evil.test/", "http://example.com%00.evil.test/"]
)
def test_escapes_in_a_host_are_ambiguous(text: str) -> None:
    """Hostile input 36: who decodes once more reads another host."""
    assert Flag.AMBIGUOUS_HOST in parse_url(text).flags


def test_e08_ordinary_credentials_and_mail_addresses_are_not_ambiguous() -> None:
    """E08: one ``@`` before the host is a log-in, one in the query is a value; neither is in the canonical form."""
    assert parse_url("http://u:pw@host.test/").flags == ()
    assert parse_url("http://u:pw@host.test/").canonical == "http://host.test/"
    assert parse_url("http://host.test?mail=a@b.test").flags == ()


@pytest.mark.parametrize(
    ("port", "understood"), [(":80:90", None), (":99999", None), (":0", None), (":080", 80), (":", None), (":x", None)]
)
def test_odd_ports_cost_nothing_but_a_flag(port: str, understood: int | None) -> None:
    """Hostile input 35."""
    found = parse_url(f"http://a.test{port}/x")

    assert (understood, "a.test") == (found.port, found.host)
    assert Flag.BAD_PORT in found.flags


@pytest.mark.parametrize("char", ["\t", "\n", "\r", "\x00", "\u202e", "\u200b"])
def test_control_characters_are_never_joined_silently(char: str) -> None:
    """Hostile inputs 30, 39: in a host there is no host then; in a path they stay, escaped."""
    in_host, in_path = parse_url(f"http://exa{char}mple.test/"), parse_url(f"http://a.test/x{char}y")

    assert Flag.CONTROL_CHARS in in_host.flags
    assert in_host.host is None
    assert Flag.CONTROL_CHARS in in_path.flags
    assert in_path.canonical not in (None, "http://a.test/xy")


@pytest.mark.parametrize(
    "text",
    [
        "<http://a.test/x>",
        "http://a.test/x).",
        '"http://a.test/x",',
        "\u00a0http://a.test/x\ufeff",
        "(http://a.test/x)",
    ],
)
def test_what_prose_leaves_around_a_link_is_trimmed(text: str) -> None:
    """Hostile input 31."""
    found = parse_url(text)

    assert (found.canonical, Flag.TRIMMED in found.flags) == ("http://a.test/x", True)


@pytest.mark.parametrize("text", ["a.test/x", "//a.test/x", "http:/a.test/x", "http:///a.test/x", "a.test:80/x"])
def test_a_missing_scheme_is_assumed(text: str) -> None:
    """Hostile input 42."""
    found = parse_url(text)

    assert (found.canonical, Flag.ASSUMED_SCHEME in found.flags) == ("http://a.test/x", True)


@pytest.mark.parametrize(
    ("host", "flag"),
    [
        ("xn--zz--.test", Flag.IDNA),
        ("a" * 64 + ".test", Flag.IDNA),
        ("a..b.test", Flag.IDNA),
        (".".join(["abcdefgh"] * 30) + ".test", Flag.IDNA),
        ("\u0440\u0430ypal.test", Flag.CONFUSABLE),
        ("ⓔxample.test", Flag.CONFUSABLE),
        ("example。test", Flag.CONFUSABLE),
    ],
)
def test_names_that_fail_or_deceive_are_flagged(host: str, flag: Flag) -> None:
    """Hostile input 38: broken names and names that look like others."""
    assert flag in parse_url(f"http://{host}/").flags


def test_an_ordinary_international_name_has_no_flag() -> None:
    """A Swedish name is nothing odd."""
    assert parse_url("http://räksmörgås.test/").flags == ()


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("deep.sub.host.example", "host.example"),
        ("one.github.io", "one.github.io"),
        ("co.uk", None),
        ("single", None),
    ],
)
def test_the_registrable_domain_follows_the_public_suffix_list(host: str, domain: str | None) -> None:
    """With its default rule: an unknown last label is a suffix."""
    assert domain == registrable_domain(host)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://a.test/x, http://b.test/y", ["http://a.test/x", "http://b.test/y"]),
        ("http://a.test/x\nhttp://b.test/\n\nwww.c.test", ["http://a.test/x", "http://b.test/", "http://www.c.test/"]),
        ("seen at http://a.test/x, today", ["http://a.test/x"]),
        ("http://a.test/x and more", ["http://a.test/x"]),
        ("a.test/x b.test/y", ["http://a.test/x", "http://b.test/y"]),
    ],
)
def test_links_in_a_text_are_taken_out(text: str, found: list[str]) -> None:
    """Hostile input 44: several in one string, or one inside prose; each is flagged."""
    urls = extract_urls(text)

    assert found == [url.canonical for url in urls]
    assert all(Flag.EXTRACTED in url.flags for url in urls)


@pytest.mark.parametrize(
    "text",
    [
        "http://a.test/?u=http://b.test/",
        "http://exa\nmple.test/",
        "example dot com",
        "http://a.test/x,y",
        "",
        "no link here",
    ],
)
def test_one_link_stays_one(text: str) -> None:
    """A link within a link, a broken line or a comma do not make two of it."""
    (found,) = extract_urls(text)

    assert Flag.EXTRACTED not in found.flags
    assert text == found.raw


@pytest.mark.parametrize(
    "text",
    [
        "http://" + "a." * 10_000 + "!", "http://" + "@" * 100_000, "@" * 100_000, " " * 100_000 + "x",
        "http://a.test/" + "%" * 100_000, "http://a.test/?" + "&" * 100_000, "(" * 100_000, ")" * 100_000,
        "[.]" * 40_000,
        "http://" * 15_000, " www." * 20_000, "." * 100_000, "a:" * 50_000, "http://" + "ä." * 30_000, " dot " * 20_000,
        "magnet:?" + "xt=urn:btih:" * 9_000, "http://" + ":" * 100_000, "a.b " * 25_000, "\u200b" * 100_000,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_bait_is_parsed_in_linear_time(text: str) -> None:
    """Hostile input 45: no text makes the parser slow."""
    began = time.process_time()
    extract_urls(text)

    assert time.process_time() - began < WORST_CASE_S
