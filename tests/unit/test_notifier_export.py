"""E86: open referrals of a proxy operator as the reports that its form takes."""

import csv
import io
from collections import Counter
from typing import Any
from uuid import UUID, uuid5

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.events import DeliveryRecorded, ReferralRouted
from contracts.indicators import Indicators
from contracts.vocabulary import Action
from services.chassis.hop import NAMESPACE, Record
from services.cli.commands import export
from services.cli.wronguse import WrongUse
from services.indicators.urls import parse_url
from services.notifier.channels.pull import PullView
from services.notifier.documents.contact import DEMO
from services.notifier.documents.exporting import LONGEST_COMMENTS, Report, as_csv, as_json, batch, cell, form
from services.notifier.documents.plainurl import host_of, plain
from services.notifier.documents.render import render
from tests.support.notifier_world import START, a_referral, an_agency

CDN = an_agency(id="cdn-cloudflare", kind="provider", profile="provider", channels=["topic"], webhook=None)
WIDE = an_agency(profile="hotline")
"""Shows every URL: the batch does not depend on how many a profile lets through."""

HOSTS = ("host.example", "cdn.host.example", "192.0.2.7", "[2001:db8::7]", "HOST.example", "host.example:8443")


def about(number: int, *urls: str, **changes: Any) -> ReferralRouted:
    """Referral *number*, about *urls*."""
    content = a_referral().content.model_copy(update={"indicators": Indicators(urls=tuple(map(parse_url, urls)))})
    return a_referral(number, referral_id=_id(number), destination=CDN.id, content=content, **changes)


def documents(*events: ReferralRouted, agency: Any = WIDE) -> list[bytes]:
    """Their documents."""
    return [render(event, agency, proof="p") for event in events]


def _id(number: int) -> UUID:
    return uuid5(NAMESPACE, f"export/{number}")


URLS = st.builds(
    lambda host, number, login: f"https://{login}{host}/page/{number}",
    st.sampled_from(HOSTS),
    st.integers(0, 700),
    st.sampled_from(["", "", "user:pw@"]),
)


@given(found=st.lists(st.lists(URLS, max_size=300), max_size=6), xarf=st.booleans())
@settings(max_examples=60, deadline=None)
def test_e86_every_url_exactly_once_one_hostname_each_and_never_too_many(found: list[list[str]], *, xarf: bool) -> None:
    """Whatever the tips hold: nothing is lost, nothing is doubled, every report is one that the form takes."""
    if xarf:
        made_of = [[urls[0]] for urls in found if urls]
        agency = CDN.model_copy(update={"format": "xarf"})
    else:
        made_of, agency = found, WIDE
    made = batch(documents(*(about(number, *urls) for number, urls in enumerate(made_of)), agency=agency))
    reported = Counter(url for report in made.reports for url in report.urls)

    assert set(reported) == {plain(url.replace("user:pw@", "")) for urls in made_of for url in urls}
    assert set(reported.values()) <= {1}
    assert all(0 < len(report.urls) <= 250 for report in made.reports)
    assert all({host_of(url) for url in report.urls} == {report.host} for report in made.reports)
    assert made.left_out.get("repeated", 0) == sum(map(len, made_of)) - len(reported)


@given(count=st.integers(1, 800))
@settings(max_examples=25, deadline=None)
def test_e86_reports_are_as_few_as_the_bound_allows(count: int) -> None:
    """251 URLs of one host are two reports, not three and not one."""
    made = batch(documents(about(1, *(f"https://host.example/{number}" for number in range(count)))))

    assert [len(report.urls) for report in made.reports][:-1] == [250] * ((count - 1) // 250)
    assert len(made.reports) == -(-count // 250)


@pytest.mark.parametrize("host", ["none", "send-anon"])
def test_e86_the_owner_of_the_site_is_never_told(host: Any) -> None:
    """The owner may be the offender: nothing that is asked changes that field, and nothing says who reported."""
    made = batch(documents(about(1, "https://host.example/a")))
    shown = as_json(made, DEMO, host=host)["reports"][0]["form"]

    assert shown["owner_notification"] == "none"
    assert shown["host_notification"] == host
    assert "send" not in {shown[name] for name in ("owner_notification", "host_notification", "ncmec_notification")}
    assert (shown["act"], shown["email"], shown["email2"]) == ("abuse_children", DEMO.email, DEMO.email)


def test_e86_a_form_holds_urls_and_ids_and_no_word_of_the_tip() -> None:
    """A line for each URL; the fields that may be published name the organisation."""
    made = batch(documents(a_referral(), agency=CDN))
    shown = form(made.reports[0], DEMO)

    assert shown["urls"] == "https://host.example/a/b?id=7"
    assert str(a_referral().referral_id) in shown["comments"]
    assert set(shown) == {
        "act", "name", "company", "email", "email2", "urls", "owner_notification", "host_notification",
        "ncmec_notification", "comments",
    }  # fmt: skip
    assert len(form(Report("h", ("u",), tuple(str(_id(n)) for n in range(500))), DEMO)["comments"]) <= LONGEST_COMMENTS


def test_test_referrals_and_real_ones_are_never_in_one_batch() -> None:
    """``is_test`` never reaches a real desk, and an exercise never carries a real URL."""
    raw = documents(about(1, "https://host.example/real"), about(2, "https://host.example/test", is_test=True))
    real, test = batch(raw), batch(raw, test=True)

    assert [report.urls for report in real.reports] == [("https://host.example/real",)]
    assert [report.urls for report in test.reports] == [("https://host.example/test",)]
    assert (real.left_out, test.left_out) == ({"test": 1}, {"live": 1})
    assert form(test.reports[0], DEMO)["comments"].startswith("TEST REPORT")
    assert "TEST" not in form(real.reports[0], DEMO)["comments"]


def test_what_cannot_be_reported_is_counted_and_said() -> None:
    """A notice, or a referral without any web address, is left out by name and never silently."""
    made = batch(
        documents(
            about(1, "https://host.example/a", action=Action.WITHDRAWN),
            about(2, "magnet:?xt=urn:btih:" + "a" * 40),
            about(3),
            about(4, "https://host.example/b", "https://host.example/b"),
        )
    )

    assert made.left_out == {"no_url": 2, "notice": 1, "repeated": 1}
    assert sum(len(report.urls) for report in made.reports) == 1


def test_only_open_referrals_are_exported() -> None:
    """What the operator's desk has answered, or what was taken back, is not reported again."""
    view = PullView()
    raw = documents(*(about(number, f"https://host.example/{number}") for number in range(3)))
    for number, document in enumerate(raw):
        view.apply(Record(f"referrals-agency-{CDN.id}", 0, number, str(_id(number)).encode(), document, (), 0))
    answered = DeliveryRecorded(
        referral_id=_id(1), tip_id=_id(1), version=1, destination=CDN.id, what="acknowledged", at=START
    )
    view.apply(Record("deliveries", 0, 0, b"k", answered.model_dump_json(by_alias=True).encode(), (), 0))
    made = batch(view.page(CDN.id).documents)

    assert made.reports[0].urls == ("https://host.example/0", "https://host.example/2")


@given(cells=st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_c65_no_cell_of_an_export_is_a_formula(cells: list[str]) -> None:
    """Whatever a URL says, a spreadsheet shows it and does nothing; one row stays one row."""
    made = Report("host.example", tuple(cells), ())
    text = as_csv([made])
    rows = list(csv.reader(io.StringIO(text, newline="")))

    assert len(rows) == len(cells) + 1 == text.count("\r\n")
    assert not [shown for row in rows for shown in row if shown.strip().startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=cmd|'/c calc'!A1", "'=cmd|'/c calc'!A1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\t=1", "' =1"),
        ("\r=1", "' =1"),
        ("  =1", "'  =1"),
        ("\uff1d1", "'\uff1d1"),
        ("https://host.example/?a=-1", "https://host.example/?a=-1"),
    ],
)
def test_c65_formulas_are_disarmed_and_urls_are_not_changed(text: str, shown: str) -> None:
    """The corpus of spreadsheet beginnings, one by one."""
    assert cell(text) == shown


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x1b]8;;https://x.example\x07", "a\nERROR admin logged in", "a\r\n", "\x00", "\u2028"]
)
def test_c63_no_export_carries_a_terminals_orders(text: str) -> None:
    """Control characters of a URL reach neither the form, nor a table, nor a sheet."""
    made = batch(documents(about(1, f"https://host.example/{text}b")))
    shown = orjson.dumps(as_json(made, DEMO)).decode() + as_csv(made.reports).replace("\r\n", "")

    assert all(char.isprintable() for char in shown)
    assert [len(form(report, DEMO)["urls"].splitlines()) for report in made.reports] in ([1], [])


@pytest.mark.parametrize(
    "name", ["CDN-cloudflare", "cdn-cloudflare ", "cdn-cl\u043eudflare", "cdn_cloudflare", "hotline-nl", "", "cdn-*"]
)
def test_c68_the_desk_is_named_exactly(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another case, a blank, a letter of another alphabet or another kind of agency: wrong use, and no broker asked."""
    monkeypatch.delenv("VIDARE_AGENCIES", raising=False)

    with pytest.raises(WrongUse, match="cdn-cloudflare"):
        export.cdn(name)
