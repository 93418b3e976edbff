"""
The document an agency receives, by its profile; pure.

What a destination may not have is not in the bytes, and ``withheld`` names it.
Nobody learns who else received a tip: ``known_to`` (agencies the sender named)
goes to police profiles only, and no other field names a destination but the
reader's own.
"""

from typing import Any

from contracts.events import Content, ReferralJurisdiction, ReferralRouted
from contracts.indicators import AddressIndicator, Indicators
from contracts.onboarding import Agency
from contracts.referral import CustodyPointer, Referral, ReferralAssessment, ReferralContent
from contracts.vocabulary import Action, AddressRole, Profile
from services.notifier.masking import without_credentials

CONTACT_WITHHELD = "contact withheld by hotline"

POLICE = frozenset({Profile.POLICE, Profile.INTERPOL_NCB})
"""Profiles that get everything relevant."""

PERSONAL = ("people", "place", "narrative", "urgency_reason", "reporter", "known_to")
"""What only police profiles get."""


def render(event: ReferralRouted, agency: Agency, *, proof: str) -> bytes:
    """
    The ``referral/1`` that *agency* receives for *event*, as UTF-8 JSON.

    Args:
        event: Everything that any profile may show.
        agency: Whose profile decides what is in the bytes.
        proof: Where the custody proof of the tip is.
    """
    return document(event, agency, proof=proof).model_dump_json(by_alias=True).encode()


def document(event: ReferralRouted, agency: Agency, *, proof: str) -> Referral:
    """The same as a value."""
    parts, withheld = _parts(event, agency.profile)
    facts = event.model_dump(include=_SHARED)

    return Referral(**facts, **parts, withheld=withheld, custody=CustodyPointer(proof=proof))


_SHARED = {
    "referral_id", "tip_id", "version", "action", "replaces", "destination", "region", "is_test", "group", "related",
    "sightings", "via", "priority", "priority_reasons", "acknowledge_by", "duty", "deconflict", "kind", "why",
    "rulebook", "preserve_until",
}  # fmt: skip
"""Fields that every profile gets as they are."""


def _parts(event: ReferralRouted, profile: Profile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields in which profiles differ, and the names of those that hold something and were left out."""
    if event.action is Action.WITHDRAWN:
        shown = _nothing(event)
    elif profile in POLICE:
        shown = _everything(event)
    elif profile is Profile.PROVIDER:
        shown = _one_url(event)
    else:
        shown = _references(event)
    full = _everything(event)
    left_out = [name for name in (*PERSONAL, "signals", "jurisdiction") if full[name] and not shown[name]]
    left_out += [
        name
        for name in ReferralContent.model_fields
        if len(getattr(shown["content"], name)) < len(getattr(full["content"], name))
    ]
    if event.labels and not shown["assessment"].labels:
        left_out.append("labels")
    if profile in POLICE and shown["reporter"] and "note" in shown["reporter"]:
        left_out.append("reporter")

    return shown, tuple(left_out)


def _everything(event: ReferralRouted) -> dict[str, Any]:
    """Police and the own Interpol bureau: all that is relevant, as sent."""
    content = event.content
    return {
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
        "observed_at": event.content.observed_at,
        "jurisdiction": event.jurisdiction,
        "assessment": ReferralAssessment(status=event.status, labels=event.labels, legality=event.legality),
        "signals": event.signals,
        "content": ReferralContent(
            urls=tuple(without_credentials(url.raw) for url in indicators.urls),
            addresses=tuple(_address(found) for found in indicators.addresses if found.role is AddressRole.HOSTING),
            hashes=tuple({"algorithm": found.algorithm.value, "value": found.raw} for found in indicators.hashes),
        ),
        **_without(PERSONAL),
    }


def _one_url(event: ReferralRouted) -> dict[str, Any]:
    """Providers and proxy operators: one URL and the reason."""
    urls = tuple(without_credentials(url.raw) for url in event.content.indicators.urls[:1])
    return _nothing(event) | {"observed_at": event.content.observed_at, "content": ReferralContent(urls=urls)}


def _nothing(event: ReferralRouted) -> dict[str, Any]:
    """A withdrawal: which referral is taken back, and no word of what it said."""
    return {
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
        addresses=tuple(_address(found) for found in indicators.addresses),
        hashes=tuple({"algorithm": found.algorithm.value, "value": found.raw} for found in indicators.hashes),
        accounts=tuple(account.model_dump(exclude_none=True) for account in indicators.accounts),
    )


def _address(found: AddressIndicator) -> dict[str, Any]:
    """An address in the form of ``tip-submission/1``, as sent."""
    shown = found.model_dump(mode="json", exclude={"raw", "ip", "flags"}, exclude_none=True)
    return {"ip": found.raw, **shown}


def _reporter(content: Content, *, may_share: bool) -> dict[str, Any] | None:
    """The reporter as far as the reporter agreed; where there is a contact that may not be shared, police read that."""
    if not content.reporter or not content.reporter.get("contact"):
        return None
    if may_share:
        return dict(content.reporter)
    return {"contact": None, "note": CONTACT_WITHHELD}
