"""XARF v4 for providers: valid by its published schema, no wider than the profile, and answerable."""

import re
import warnings
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import FormatChecker
from pydantic import ValidationError

from contracts.events import ReferralRouted
from contracts.indicators import Indicators
from contracts.onboarding import Agency
from contracts.vocabulary import Action, AssessmentStatus, Kind
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.indicators.urls import parse_url
from services.notifier.documents.contact import DEMO, Contact, contact_of
from services.notifier.documents.render import render
from services.notifier.documents.xarf import document_type
from tests.support.notifier_keys import key_file, opened, public
from tests.support.notifier_world import SECRETS, World, a_referral, an_agency, full_content

with warnings.catch_warnings(action="ignore"):
    from xarf.schema_validator import schema_validator

FORMATS = FormatChecker(["uuid", "email", "ipv4", "ipv6"])


def a_provider(**changes: Any) -> Agency:
    """A provider that wants XARF."""
    asked = {"id": "host-example", "kind": "provider", "profile": "provider", "format": "xarf", "channels": ["topic"]}
    return an_agency(**(asked | {"webhook": None, "country": None} | changes))


def report_of(event: ReferralRouted, sender: Contact = DEMO) -> dict[str, Any]:
    """The document of *event*."""
    shown: dict[str, Any] = orjson.loads(render(event, a_provider(), proof="p", sender=sender))
    return shown


def about(url: str, **changes: Any) -> ReferralRouted:
    """A referral about *url*."""
    return a_referral(
        content=full_content().model_copy(update={"indicators": Indicators(urls=(parse_url(url),))}), **changes
    )


def faults(report: dict[str, Any]) -> list[str]:
    """What the published schema and validator say against *report*."""
    found = [f"{error.field}: {error.message}" for error in schema_validator.validate(report)]
    for who in (report["reporter"], report["sender"]):
        FORMATS.check(who["contact"], "email")
    FORMATS.check(report["report_id"], "uuid")
    assert re.fullmatch(r"https?://[!-~]+", report["url"])
    datetime.fromisoformat(report["timestamp"])
    return found


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", AssessmentStatus)
def test_e85_every_export_validates_against_the_published_schema(kind: Kind, status: AssessmentStatus) -> None:
    """Whatever the tip is about and whoever assessed it, the provider's own parser takes the report."""
    report = report_of(a_referral(kind=kind, status=status))

    assert faults(report) == []
    assert report["category"] == "content"


def test_the_schema_of_the_test_is_not_blind() -> None:
    """A report without its classification is refused by the same check."""
    report = report_of(a_referral())
    del report["classification"]

    assert faults(report)


@given(
    url=st.one_of(
        st.from_regex(r"\A(?:https?|hxxps?)://[a-z0-9.-]{1,40}(?:\[\.\]|\.)example(?:/[ -~]{0,40})?\Z"),
        st.text(max_size=60),
        st.text(max_size=40).map(lambda text: f"https://host.example/{text}"),
    ),
    seen=st.one_of(st.none(), st.sampled_from(["2026-11-22T09:15:00+01:00", "2026-11-22T09:15:00", "22.11.2026"])),
)
def test_e85_any_url_gives_a_valid_report_or_the_referral_itself(url: str, seen: str | None) -> None:
    """An odd URL never makes an invalid report: what the format cannot say leaves as ``referral/1``."""
    event = about(url)
    event = event.model_copy(update={"content": event.content.model_copy(update={"observed_at": seen})})
    raw = render(event, a_provider(), proof="p")

    if document_type(raw) == "xarf/4":
        assert faults(orjson.loads(raw)) == []
    else:
        assert orjson.loads(raw)["schema"] == "referral/1"


def test_a_report_says_no_more_than_the_provider_profile() -> None:
    """One URL without its credentials, the reason, the sender; and the names of what is withheld."""
    raw = render(a_referral(), a_provider(), proof="p")
    report = orjson.loads(raw)

    assert not [name for name, value in SECRETS.items() if value.encode() in raw and name != "url"]
    assert report["url"] == "https://host.example/a/b?id=7"
    assert "R08: hosted in NL" in report["description"]
    assert "A1" not in raw.decode()
    assert "evidence" not in report
    assert {"people", "narrative", "hashes"} <= set(
        report["description"].rpartition("report: ")[2].rstrip(".").split(", ")
    )


def test_the_report_id_is_the_referral_id_everywhere() -> None:
    """Receipts, ``webhook-id`` and the feed's key name what the report names."""
    world = World(a_provider())
    event = a_referral(destination="host-example")
    world.refer(event)
    fed = next(each for each in world.events if each.to)

    assert orjson.loads(fed.body)["report_id"] == fed.key == str(event.referral_id)
    assert fed.type == "xarf/4"
    world.answer(event.referral_id, "acknowledged", "host-example", reference="T-1")
    assert "acknowledged" in world.words()


def test_a_test_report_is_marked_and_a_real_one_is_not() -> None:
    """A program sorts by the tag, a person reads the first words."""
    test, real = report_of(a_referral(is_test=True)), report_of(a_referral())

    assert "report:test" in test["tags"]
    assert test["description"].startswith("TEST REPORT")
    assert "test" not in str(real).lower()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.CSAM, ("csam", "baseline", None)),
        (Kind.GROOMING, ("csem", None, "grooming")),
        (Kind.SEXTORTION, ("csem", None, "sextortion")),
        (Kind.TRAFFICKING, ("csem", None, "trafficking")),
    ],
)
def test_the_kind_of_a_tip_is_in_the_formats_own_words(
    kind: Kind, expected: tuple[str, str | None, str | None]
) -> None:
    """Exploitation is not filed as material."""
    report = report_of(a_referral(kind=kind))

    assert (report["type"], report.get("classification"), report.get("exploitation_type")) == expected


def test_what_nobody_assessed_is_not_passed_off_as_assessed() -> None:
    """The format has no word for it, so the description, a tag and the method say it."""
    report = report_of(a_referral(status="unassessed"))

    assert report["detection_method"] == "user_report"
    assert "No analyst has assessed it" in report["description"]
    assert "assessment:unassessed" in report["tags"]
    assert report_of(a_referral())["detection_method"] == "manual_review"


@pytest.mark.parametrize("action", [Action.WITHDRAWN, Action.SIGHTINGS])
def test_what_the_format_cannot_say_leaves_as_a_referral(action: Action) -> None:
    """A withdrawal or a count is no report of abuse, and must never look like one."""
    content = (
        full_content() if action is Action.WITHDRAWN else full_content().model_copy(update={"indicators": Indicators()})
    )
    raw = render(a_referral(action=action, content=content), a_provider(), proof="p")

    assert (document_type(raw), orjson.loads(raw)["action"]) == ("referral/1", action.value)


@pytest.mark.parametrize(
    ("url", "source", "domain"),
    [
        ("https://cdn.host.example/a", "cdn.host.example", "cdn.host.example"),
        ("http://192.0.2.7:8080/a", "192.0.2.7", None),
        ("http://[2001:db8::7]/a", "2001:db8::7", None),
        ("hxxps://bücher[.]example/ä b#f", "xn--bcher-kva.example", None),
        ("https://under_score.host.example/", "under_score.host.example", None),
    ],
)
def test_the_source_is_the_host_and_the_domain_only_where_it_is_one(url: str, source: str, domain: str | None) -> None:
    """Addresses, ports and names in other scripts; the schema's pattern takes no ``xn--`` and no ``_``."""
    report = report_of(about(url))

    assert (report["source_identifier"], report.get("domain")) == (source, domain)
    assert faults(report) == []


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ("2026-11-22T09:15:00+01:00", "2026-11-22T08:15:00Z"),
        ("2026-11-22T09:15:00", "2026-11-23T00:00:00Z"),
        (None, "2026-11-23T00:00:00Z"),
    ],
)
def test_a_time_without_a_zone_is_not_guessed(seen: str | None, told: str) -> None:
    """The time of the tip stands in for it."""
    content = full_content().model_copy(update={"observed_at": seen})

    assert report_of(a_referral(content=content, received_at=datetime(2026, 11, 23, tzinfo=UTC)))["timestamp"] == told


def test_a_sealed_report_says_what_it_is(tmp_path: Any) -> None:
    """The kind of document stands in the protected header."""
    world = World(a_provider(encrypt_to=key_file(tmp_path, public("X25519"))))
    world.refer(a_referral(destination="host-example"))
    header, document = opened("X25519", next(each for each in world.events if each.to).body)

    assert (header["cty"], document_type(document)) == ("xarf/4+json", "xarf/4")


@pytest.mark.parametrize(
    "changes", [{"kind": "police"}, {"kind": "hotline"}, {"profile": "hotline"}, {"format": "stix"}]
)
def test_xarf_is_for_notices_to_providers_only(changes: dict[str, str]) -> None:
    """Anybody else would lose what the format cannot carry."""
    with pytest.raises(ValidationError, match="format"):
        a_provider(**changes)


def test_a_real_provider_gets_no_report_from_the_demo_desk(tmp_path: Any) -> None:
    """Where somebody real is onboarded, who answers for the mesh must be named."""
    agencies = tmp_path / "agencies.toml"
    named = Settings(agencies=agencies, reporter_org="Example hotline", reporter_email="reports@hotline.example")

    assert contact_of(Settings()) == DEMO
    assert contact_of(named).domain == "hotline.example"
    with pytest.raises(Misconfigured, match="VIDARE_REPORTER_EMAIL"):
        contact_of(Settings(agencies=agencies))


@pytest.mark.parametrize(
    "email", ["a@b.example, c@d.example", '"a\r\n"@b.example', "a@[127.0.0.1]", "a@b.example\n", "x" * 320]
)
def test_c60_the_reports_address_is_one_plain_address(email: str) -> None:
    """One mailbox, nothing that could become a header; else the process does not start."""
    with pytest.raises(ValidationError, match="reporter_email"):
        Settings(reporter_email=email)
