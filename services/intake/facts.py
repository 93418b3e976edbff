"""Splits a submission into what decisions read (`TipFacts`) and what only receivers read (`Content`)."""

from datetime import datetime

from contracts.events import Content, KnownCase, PersonFacts, TipFacts
from contracts.indicators import Indicators
from contracts.submission import Person, Submission
from contracts.vocabulary import AssessmentStatus, Flag, Signal
from services.indicators.gazetteer import area_of
from services.intake.groups import UNUSABLE, fingerprints
from services.intake.normalise import Understood
from services.intake.times import read_limit, read_time
from services.triage.text import language_unknown, text_signals


def facts_of(tip: Submission, understood: Understood, key: bytes, now: datetime) -> TipFacts:
    """State everything about *tip* that triage and rules may read; no address, URL, hash, name or text."""
    found = understood.indicators
    seen, limit = read_time(tip.observed_at, now), read_limit(tip.preserve_until)
    assessment, urgency, place, reporter = tip.assessment, tip.urgency, tip.place, tip.reporter
    flags = (*understood.flags, *seen.flags, *limit.flags, *_language_flags(tip))
    return TipFacts(
        kind=tip.kind,
        observed_at=seen.when,
        status=(assessment.status if assessment else None) or AssessmentStatus.UNASSESSED,
        labels=tuple(dict.fromkeys((assessment.labels if assessment else None) or ())),
        signals=tuple(dict.fromkeys(tip.signals or ())),
        text_signals=_text_signals(tip),
        immediate_danger=bool(urgency and urgency.immediate_danger),
        danger_reason=_says(urgency.reason if urgency else None),
        people=tuple(_person(person) for person in tip.people or ()),
        place_country=place.country if place else None,
        place_region=place.region if place else None,
        place_area=area_of(place.country, place.region, place.description) if place else None,
        place_described=_says(place.description if place else None),
        language=tip.language,
        url_count=len(found.urls),
        address_roles=tuple(address.role for address in found.addresses),
        traceable=_traceable(found, dated=seen.when is not None),
        hash_count=sum(UNUSABLE.isdisjoint(item.flags) for item in found.hashes),
        account_count=sum(_says(account.handle) for account in found.accounts),
        has_narrative=_says(tip.narrative),
        contactable=_says(reporter.contact if reporter else None),
        share_with_police=bool(reporter and reporter.share_with_police),
        known_to=tuple(KnownCase(agency=known.agency, case=known.case) for known in tip.known_to or ()),
        preserve_until=limit.when,
        withdrawn=bool(tip.withdrawn),
        is_test=bool(tip.is_test),
        flags=tuple(dict.fromkeys(flags)),
        fingerprints=fingerprints(tip, found, key),
    )


def content_of(tip: Submission, found: Indicators) -> Content:
    """Everything that receivers read of *tip*: indicators as understood, the rest as sent."""
    return Content(
        indicators=found,
        people=tuple(person.model_dump(mode="json", exclude_none=True) for person in tip.people or ()),
        place=tip.place.model_dump(mode="json", exclude_none=True) if tip.place else None,
        narrative=tip.narrative,
        reporter=tip.reporter.model_dump(mode="json", exclude_none=True) if tip.reporter else None,
        observed_at=tip.observed_at,
        assessment_by=tip.assessment.by if tip.assessment else None,
        urgency_reason=tip.urgency.reason if tip.urgency else None,
    )


def _says(text: str | None) -> bool:
    return bool(text and text.strip())


def _text_signals(tip: Submission) -> tuple[str, ...]:
    notes = (person.note for person in tip.people or ())
    return text_signals(tip.narrative, tip.urgency.reason if tip.urgency else None, *notes)


def _person(person: Person) -> PersonFacts:
    return PersonFacts(
        role=person.role,
        nationalities=tuple(dict.fromkeys(person.nationalities or ())),
        location=person.location,
        age=person.age,
        named=_says(person.name),
    )


def _traceable(found: Indicators, *, dated: bool) -> bool:
    return any(a.ip and a.port is not None and (dated or a.observed_at) for a in found.addresses)


def _language_flags(tip: Submission) -> tuple[Flag, ...]:
    """``lang_unknown`` only where the text is all there is: a structured field that says more needs no reader."""
    danger = bool(tip.urgency and tip.urgency.immediate_danger)
    more = tip.urls or tip.addresses or tip.hashes or tip.accounts or tip.people or tip.place or danger
    telling = set(tip.signals or ()) - {Signal.SPAM}
    alone = _says(tip.narrative) and not more and not telling
    return (Flag.LANG_UNKNOWN,) if alone and language_unknown(tip.language) else ()
