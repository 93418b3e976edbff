"""Builders of located tips: everything has a harmless default, a test names only what it is about."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from contracts.events import Content, Evidence, Jurisdiction, PersonFacts, TipFacts, TipLocated, TipReceived, Verdict
from contracts.indicators import Indicators, UrlIndicator
from contracts.vocabulary import AddressRole, AssessmentStatus, Flag, Kind, PersonRole

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOM = UUID("11111111-2222-5333-8444-555555555555")

Where = str | None | Verdict


def host(
    country: str | None = "NL", *, confidence: float = 0.95, domain: str | None = "host.example", **more: Any
) -> Verdict:
    """A verdict on a server."""
    evidence = (Evidence(source="ipfire", says=country, built="2026-06-25"),)
    return Verdict(
        target="/urls/0",
        role=AddressRole.HOSTING,
        country=country,
        confidence=confidence,
        domain=domain,
        evidence=evidence,
        **more,
    )


def edge(operator: str | None = "cdn-cloudflare") -> Verdict:
    """A server behind a content network."""
    return host(None, confidence=0.3, operator=operator, flags=(Flag.CDN,))


def unsure(*candidates: str) -> Verdict:
    """A server about which the sources disagree."""
    return host(None, confidence=0.4, candidates=candidates, flags=(Flag.CONFLICT,))


def of_person(
    country: str | None, role: AddressRole = AddressRole.UPLOAD, *, confidence: float = 0.95, **more: Any
) -> Verdict:
    """A verdict on a person's address."""
    return Verdict(target="/addresses/1", role=role, country=country, confidence=confidence, **more)


def victim(*nationalities: str, location: str | None = None, named: bool = False) -> PersonFacts:
    """A child in the tip."""
    return PersonFacts(role=PersonRole.VICTIM, nationalities=nationalities, location=location, named=named)


def suspect(*nationalities: str, location: str | None = None) -> PersonFacts:
    """An offender in the tip."""
    return PersonFacts(role=PersonRole.SUSPECT, nationalities=nationalities, location=location)


def a_tip(  # noqa: PLR0913 - a test names only what it is about
    *hosting: Where,
    persons: Sequence[Verdict] = (),
    partner: str = "ecpat-se",
    reference: str = "T-1",
    revision: int = 1,
    group: str = "0" * 32,
    tip_id: UUID | None = None,
    **facts: Any,
) -> TipLocated:
    """A located tip: baseline material behind one URL unless told otherwise."""
    verdicts = tuple(one if isinstance(one, Verdict) else host(one) for one in hosting)
    facts = {"kind": Kind.CSAM, "status": AssessmentStatus.BASELINE, "url_count": len(verdicts), **facts}
    if persons and "address_roles" not in facts:
        facts["address_roles"] = tuple(verdict.role for verdict in persons)
    url = "https://host.example/page"
    indicators = Indicators(urls=(UrlIndicator(raw=url, canonical=url, host="host.example", domain="host.example"),))
    received = TipReceived(
        tip_id=tip_id or uuid5(ROOM, f"{partner}/{reference}"),
        revision=revision,
        group_id=group,
        partner=partner,
        reference=reference,
        received_at=NOW,
        facts=TipFacts(**facts),
        content=Content(indicators=indicators, narrative="neutral invented text"),
    )
    flags = tuple(dict.fromkeys(flag for verdict in (*verdicts, *persons) for flag in verdict.flags))
    where = Jurisdiction(hosting=verdicts, persons=tuple(persons), flags=flags, builds={"ipfire": "2026-06-25"})
    return TipLocated(located_at=NOW, jurisdiction=where, received=received)


URGENT: dict[str, Any] = {"immediate_danger": True, "danger_reason": True}
"""Facts that make a vetted sender's tip P0."""
