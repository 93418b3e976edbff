"""
The document an agency receives, by its profile; pure.

What a destination may not have is not in the bytes, and ``withheld`` names it.
Nobody learns who else received a tip: ``known_to`` (agencies the sender named)
goes to police profiles only, and no other field names a destination but the
reader's own.
"""

from typing import Any

from contracts.events import Content, ReferralJurisdiction, ReferralRouted
from contracts.indicators import Indicators
from contracts.onboarding import Agency
from contracts.referral import CustodyPointer, FeedMark, Referral, ReferralAssessment, ReferralContent
from contracts.vocabulary import Action, Profile
from services.notifier.documents import references
from services.notifier.documents.contact import DEMO, Contact
from services.notifier.documents.xarf import xarf

CONTACT_WITHHELD = "contact withheld by hotline"

POLICE = frozenset({Profile.POLICE, Profile.INTERPOL_NCB})
"""Profiles that get everything relevant."""

PERSONAL = ("people", "place", "narrative", "urgency_reason", "reporter", "known_to")
"""What only police profiles get, in the words of strangers."""


def render(
    event: ReferralRouted, agency: Agency, *, proof: str, sender: Contact = DEMO, feed: FeedMark | None = None
) -> bytes:
    """
    The document that *agency* receives for *event*, as UTF-8 JSON: ``referral/1``, or XARF where it is onboarded so.

    Args:
        event: Everything that any profile may show.
        agency: Whose profile decides what is in the bytes.
        proof: Where the custody proof of the tip is.
        sender: Who a report in a foreign format is from.
        feed: Its place in the agency's feed; a foreign format has no room for it, the headers tell it.
    """
    shown = document(event, agency, proof=proof, feed=feed)
    report = xarf(shown, sender, received_at=event.received_at) if agency.format == "xarf" else None
    return report or shown.model_dump_json(by_alias=True).encode()


def document(event: ReferralRouted, agency: Agency, *, proof: str, feed: FeedMark | None = None) -> Referral:
    """The ``referral/1`` as a value."""
    shown = _shown(event, agency.profile)
    facts = event.model_dump(include=_SHARED)

    return Referral(
        **facts,
        **shown,
        withheld=_withheld(_everything(event), shown),
        untrusted_text=_words(shown),
        feed=feed,
        custody=CustodyPointer(proof=proof),
    )


_SHARED = {
    "referral_id", "tip_id", "version", "action", "replaces", "destination", "region", "is_test", "group", "related",
    "sightings", "priority", "priority_reasons", "acknowledge_by", "duty", "duty_count", "deconflict", "kind", "why",
    "rulebook", "preserve_until",
}  # fmt: skip
"""Fields that every profile gets as they are."""


def _shown(event: ReferralRouted, profile: Profile) -> dict[str, Any]:
    """The fields in which profiles differ."""
    if event.action is Action.WITHDRAWN:
        return _nothing(event) | ({} if profile is Profile.PROVIDER else {"via": event.via})
    if profile in POLICE:
        return _everything(event)
    if profile is Profile.PROVIDER:
        return _one_url(event)
    return _references(event)


def _withheld(full: dict[str, Any], shown: dict[str, Any]) -> tuple[str, ...]:
    """The names of fields that hold something and were left out, wholly or in part."""
    names = [name for name in (*PERSONAL, "signals", "jurisdiction", "via", "observed_at") if _says(full, name)]
    left_out = [name for name in names if not _says(shown, name)]
    left_out += [
        name
        for name in ReferralContent.model_fields
        if len(getattr(shown["content"], name)) < len(getattr(full["content"], name))
    ]
    for name in ("labels", "legality"):
        if getattr(full["assessment"], name) and not getattr(shown["assessment"], name):
            left_out.append(name)
    if shown["reporter"] and "note" in shown["reporter"]:
        left_out.append("reporter")
    return tuple(left_out)


def _says(fields: dict[str, Any], name: str) -> bool:
    """True where the field holds something."""
    return bool(fields[name]) and fields[name] != ReferralJurisdiction()


def _words(shown: dict[str, Any]) -> tuple[str, ...]:
    """The fields shown that hold words of strangers."""
    content = tuple(f"content.{name}" for name in ("urls", "accounts") if getattr(shown["content"], name))
    return tuple(name for name in PERSONAL if shown[name]) + content


def _everything(event: ReferralRouted) -> dict[str, Any]:
    """Police and the own Interpol bureau: all that is relevant, as sent."""
    content = event.content
    return {
        "via": event.via,
        "observed_at": content.observed_at,
        "jurisdiction": event.jurisdiction,
        "assessment": ReferralAssessment(status=event.status, labels=event.labels, legality=event.legality),
        "signals": event.signals,
        "content": _content(content.indicators),
        "people": content.people,
        "place": content.place,
        "narrative": content.narrative,
        "urgency_reason": content.urgency_reason,
        "reporter": _reporter(content, may_share=event.share_with_police),
        "known_to": tuple(case.model_dump(exclude_none=True) for case in event.known_to),
    }


def _references(event: ReferralRouted) -> dict[str, Any]:
    """Hotlines and ICCAM: content references and assessment; no accounts, and only the server's addresses."""
    indicators = event.content.indicators
    return {
        "via": event.via,
        "observed_at": event.content.observed_at,
        "jurisdiction": event.jurisdiction,
        "assessment": ReferralAssessment(status=event.status, labels=event.labels, legality=event.legality),
        "signals": event.signals,
        "content": ReferralContent(
            urls=references.urls(indicators.urls),
            addresses=references.servers(indicators.addresses),
            hashes=references.hashes(indicators.hashes),
        ),
        **_without(PERSONAL),
    }


def _one_url(event: ReferralRouted) -> dict[str, Any]:
    """Providers and proxy operators: one URL, theirs where the router knows it, and the reason; not who found it."""
    every = event.content.indicators.urls
    theirs = every if event.url is None else every[event.url : event.url + 1]
    urls = references.urls(theirs)[:1]
    return _nothing(event) | {"observed_at": event.content.observed_at, "content": ReferralContent(urls=urls)}


def _nothing(event: ReferralRouted) -> dict[str, Any]:
    """A withdrawal: which referral is taken back, and no word of what it said."""
    return {
        "via": (),
        "observed_at": None,
        "jurisdiction": ReferralJurisdiction(),
        "assessment": ReferralAssessment(status=event.status),
        "signals": (),
        "content": ReferralContent(),
        **_without(PERSONAL),
    }


def _without(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: () if name in {"people", "known_to"} else None for name in names}


def _content(indicators: Indicators) -> ReferralContent:
    return ReferralContent(
        urls=tuple(url.raw for url in indicators.urls),
        addresses=tuple(references.as_sent(found) for found in indicators.addresses),
        hashes=tuple(references.a_hash(found) for found in indicators.hashes),
        accounts=tuple(account.model_dump(exclude_none=True) for account in indicators.accounts),
    )


def _reporter(content: Content, *, may_share: bool) -> dict[str, Any] | None:
    """The reporter as far as the reporter agreed; where there is a contact that may not be shared, police read that."""
    if not content.reporter or not content.reporter.get("contact"):
        return None
    if may_share:
        return dict(content.reporter)
    return {"contact": None, "note": CONTACT_WITHHELD}
