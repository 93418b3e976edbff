"""What holds of every text, however odd."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from contracts.indicators import UrlIndicator
from contracts.vocabulary import HashAlgorithm
from services.indicators.addresses import is_public, parse_address
from services.indicators.hashes import parse_hash
from services.indicators.reserved import reserved_reason
from services.indicators.urls import extract_urls, parse_url

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=200)
URL_PARTS = st.lists(
    st.sampled_from(
        [
            "http://", "https:", "//", "hxxp", "[.]", "(dot)", " dot ", "@", ":", ":80", "/", "\\", "?", "#", "&",
            "=", "%",
            "%2e", "%2E", "%7E", "%25", "utm_source=x", "id=7", "a", "B", "exämple", "xn--", ".", "..", "test",
            ".onion",
            "[::1]", "192.0.2.7", "0x7f.1", "\t", "\u202e", "magnet:?xt=urn:btih:", ")", "(", "'", ",", "~", "|",
        ]
    ),
    max_size=12,
).map("".join)  # fmt: skip
URL_LIKE = st.one_of(URL_PARTS, URL_PARTS.map("http://a.test/{}".format), ANY_TEXT, ANY_TEXT.map("http://{}".format))


@given(text=URL_LIKE)
def test_no_text_breaks_the_url_parser(text: str) -> None:
    """Whatever the text, there is an indicator that keeps it."""
    assert parse_url(text).raw == text
    assert extract_urls(text)


@given(text=URL_LIKE)
def test_the_canonical_form_is_its_own_canonical_form(text: str) -> None:
    """Reading the comparison form again changes nothing, so one place has one key."""
    once = parse_url(text)
    if once.canonical is not None:
        again = parse_url(once.canonical)
        assert once.canonical == again.canonical
        assert once.kind is again.kind


@given(text=URL_LIKE)
def test_a_url_survives_the_wire(text: str) -> None:
    """Every indicator that JSON can hold at all comes back as it was."""
    found = parse_url(text)
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert UrlIndicator.model_validate_json(found.model_dump_json()) == found


@given(text=st.one_of(ANY_TEXT, st.text(alphabet="0123456789abcdefx.:[]/%", max_size=60)))
def test_no_text_breaks_the_address_parser(text: str) -> None:
    """Whatever the text, an address that is understood is canonical and parses to itself."""
    found = parse_address(text)

    assert text == found.raw
    if found.ip is not None:
        assert str(ipaddress.ip_address(found.ip)) == found.ip
        again = parse_address(found.ip)
        assert (found.ip, ()) == (again.ip, again.flags)


@given(ip=st.ip_addresses().map(str))
def test_every_standard_address_is_understood(ip: str) -> None:
    """Each address has a canonical form, its own or its inner one, and a public one is never also reserved."""
    found = parse_address(ip)

    assert found.ip is not None
    assert found.ip in (ip, str(ipaddress.ip_address(ip))) or found.readings
    assert is_public(ip) == (reserved_reason(ip) is None)


@given(ip=st.ip_addresses(v=4))
def test_the_table_refuses_whatever_the_standard_library_calls_private(ip: ipaddress.IPv4Address) -> None:
    """Our table is never weaker than the interpreter's."""
    if not ip.is_global:
        assert reserved_reason(str(ip))


@given(algorithm=st.sampled_from(list(HashAlgorithm)), text=ANY_TEXT)
def test_no_text_breaks_the_hash_parser(algorithm: HashAlgorithm, text: str) -> None:
    """Whatever the text, a hash that is understood parses to itself."""
    found = parse_hash(algorithm, text)

    assert text == found.raw
    assert parse_hash(algorithm, found.value).value == found.value
