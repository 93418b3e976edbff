"""
A batch of referrals in the form of a proxy operator's abuse report; pure.

Source: Cloudflare's abuse report API (``abuse_children``): at most 250 URLs in
one report, all with the same hostname, each once, a line each; ``name`` and
``email`` may be published, so they are the organisation's. The owner of the
site is never told: the owner may be the offender.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from contracts.vocabulary import Action
from services.notifier.documents.contact import Contact
from services.notifier.documents.masking import without_credentials
from services.notifier.documents.plainurl import host_of, plain
from services.notifier.documents.xarf import document_type

MOST_URLS = 250
LONGEST_COMMENTS = 2000

Telling = Literal["none", "send-anon"]
"""Whether the operator may tell somebody of a report; never ``send``, which would show who reported."""

NEVER = "none"
"""What the owner of the site is told, whatever is asked."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings that make a spreadsheet calculate."""


class Found(NamedTuple):
    """A URL of a referral, in the spelling that forms take."""

    host: str
    url: str
    referral: str


@dataclass(frozen=True, slots=True)
class Report:
    """One report: URLs of one host, and the referrals they are from."""

    host: str
    urls: tuple[str, ...]
    referrals: tuple[str, ...]
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Every report, and what could not be in one."""

    reports: tuple[Report, ...]
    left_out: dict[str, int]
    """How many, by reason: ``notice`` (nothing to report), ``test`` or ``live`` (not asked for), ``no_url``
    (none that has a hostname), ``repeated`` (the URL is in a report already)."""


def batch(documents: Iterable[bytes], *, test: bool = False) -> Batch:
    """
    Put the URLs of *documents* into as few reports as the form allows.

    Args:
        documents: In clear, as they lie in an agency's feed, in its order.
        test: Export test referrals, and nothing else; without it they are left out, for reports reach real desks.
    """
    left_out: Counter[str] = Counter()
    by_host: dict[str, dict[str, list[str]]] = {}
    for raw in documents:
        for one in _read(raw, test=test):
            if isinstance(one, str):
                left_out[one] += 1
                continue
            urls = by_host.setdefault(one.host, {})
            left_out["repeated"] += one.url in urls
            urls.setdefault(one.url, []).append(one.referral)
    reports = tuple(report for host in sorted(by_host) for report in _split(host, by_host[host], test=test))

    return Batch(reports, {reason: count for reason, count in sorted(left_out.items()) if count})


def _read(raw: bytes, *, test: bool) -> Iterator[Found | str]:
    """The URLs of one document, or why there is none to report."""
    document = orjson.loads(raw)
    is_xarf = document_type(raw) == "xarf/4"
    is_test = "report:test" in document.get("tags", ()) if is_xarf else document["is_test"]
    if not is_xarf and document["action"] not in (Action.NEW, Action.UPDATE):
        yield "notice"
        return
    if is_test != test:
        yield "test" if is_test else "live"
        return
    referral = document["report_id" if is_xarf else "referral_id"]
    urls = [document["url"]] if is_xarf else document["content"]["urls"]
    found = [each for each in (_found(url, referral) for url in urls) if each is not None]
    if not found:
        yield "no_url"
    yield from found


def _found(raw: str, referral: str) -> Found | None:
    url = plain(without_credentials(raw))
    host = host_of(url) if url else None
    return Found(host, url, referral) if url and host else None


def _split(host: str, urls: dict[str, list[str]], *, test: bool) -> Iterator[Report]:
    every = list(urls)
    for start in range(0, len(every), MOST_URLS):
        some = tuple(every[start : start + MOST_URLS])
        referrals = dict.fromkeys(referral for url in some for referral in urls[url])
        yield Report(host, some, tuple(referrals), test)


def form(report: Report, sender: Contact, *, host: Telling = "none", ncmec: Telling = "none") -> dict[str, str]:
    """
    The fields of one report as the operator's form names them.

    Args:
        report: What is reported.
        sender: Who reports.
        host: Whether the hosting provider is told: not by default, for police come before takedown (R06).
        ncmec: Whether the US clearing house is told: not by default, for the mesh has its own way there.
    """
    return {
        "act": "abuse_children",
        "name": sender.org,
        "company": sender.org,
        "email": sender.email,
        "email2": sender.email,
        "urls": "\n".join(report.urls),
        "owner_notification": NEVER,
        "host_notification": host,
        "ncmec_notification": ncmec,
        "comments": _comments(report),
    }


def _comments(report: Report) -> str:
    """Which referrals these are, as many as fit."""
    said = "TEST REPORT, do nothing. " if report.is_test else ""
    said += f"Please tell us the origin host. Referrals ({len(report.referrals)}):"
    for referral in report.referrals:
        if len(said) + len(referral) + 1 > LONGEST_COMMENTS:
            break
        said += f" {referral}"
    return said


def as_csv(reports: Sequence[Report]) -> str:
    """A row for each URL, for people who upload by hand; no cell is a formula."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(["report", "hostname", "owner_notification", "url"])
    for number, report in enumerate(reports, 1):
        rows.writerows([cell(each) for each in (str(number), report.host, NEVER, url)] for url in report.urls)
    return text.getvalue()


def cell(text: str) -> str:
    """*text* as a cell that no spreadsheet takes for a formula, and that is one line."""
    plain_text = "".join(char if char.isprintable() else " " for char in text)
    beginnings = (text.lstrip(" "), plain_text.strip())
    return f"'{plain_text}" if any(each.startswith(FORMULA) for each in beginnings) else plain_text


def as_json(made: Batch, sender: Contact, **telling: Telling) -> dict[str, Any]:
    """The batch for a program: each report's form beside the referrals it is from."""
    return {
        "reports": [
            {
                "hostname": report.host,
                "urls": len(report.urls),
                "referrals": list(report.referrals),
                "form": form(report, sender, **telling),
            }
            for report in made.reports
        ],
        "left_out": made.left_out,
    }
