"""
What rules ask for while they are heard: targets become agencies, or a reason why not.

An agency without an onboarding record makes its target take the fallback that
the rulebook states; where there is none, it is dropped and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.vocabulary import AgencyKind
from services.router.facts import NAMES_OF, PARTS, Facts, Place
from services.router.geography.atlas import Atlas, Standing
from services.router.geography.choice import choose
from services.router.rules.rule import Clause, Row
from services.router.rules.rulebook import Rulebook

REVIEW = "review"
ICCAM = "interpol-iccam"
EUROPOL = "europol"
CRAWLER = "crawler-arachnid"
REPORTING_CHANNEL = "hotline-us"
"""NCMEC's CyberTipline: where providers with a duty to report do so."""

BY_PERSON = "person"
"""Stands in the place of a rule id where a person named a destination."""

DIRECT = frozenset({"police-of", "hotline-of", "interpol-ncb"})
"""Targets that carry a tip to the country of their place."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One rule asks for one agency."""

    rule: str
    agency: str
    target: str
    place: Place | None
    text: str

    @property
    def to_held_country(self) -> bool:
        """It would carry the tip to a country under legal hold."""
        return self.target in DIRECT and self.place is not None and self.place.standing.hold


@dataclass(frozen=True, slots=True)
class Miss:
    """An agency that a rule would have had, and why not."""

    agency: str
    rule: str
    reason: str


@dataclass(slots=True)
class Asking:
    """Collects what rules ask for on one tip."""

    facts: Facts
    atlas: Atlas
    book: Rulebook
    excluded: frozenset[str] = frozenset()
    """Agencies that are left out for this tip."""
    asks: list[Ask] = field(default_factory=list)
    later: list[Ask] = field(default_factory=list)
    misses: list[Miss] = field(default_factory=list)
    fired: dict[str, Sequence[Place | None]] = field(default_factory=dict)
    parts: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    """Places by the part they play; countries that are mere candidates are not among them."""

    def __post_init__(self) -> None:
        """Sort the places once: every row asks for them."""
        parts: dict[str, list[Place]] = {name: [] for name in PARTS}
        for place in self.facts.places:
            if not place.candidate:
                for name in NAMES_OF[place.part, place.nationality]:
                    parts[name].append(place)
        self.parts = parts

    def clauses(
        self, row: Row, clauses: Sequence[Clause], places: Sequence[Place | None], rule: str | None = None
    ) -> None:
        """Ask for everything that *clauses* of a row that matched for *places* refer to, in the name of *rule*."""
        for clause in clauses:
            for place in self._looked_at(row, clause, places):
                if clause.holds(self.facts, place, self.fired):
                    for target in clause.to:
                        self.ask(rule or row.id, row, target, place)
                    for target in clause.later:
                        self._ask_later(rule or row.id, row, target, place)

    def ask(self, rule: str, row: Row, target: str, place: Place | None) -> None:
        """Ask for *target*, or for what stands in for it."""
        if target == "candidate-routes":
            self._candidates(rule, place)
            return
        if target == "hotline-of" and place is not None:
            self._why_this_hotline(rule, place)
        agency = self._agency(rule, target, place)
        if agency is not None:
            self.asks.append(Ask(rule, agency, target, place, self._text(row, place)))
            return
        for instead in self.book.fallback.get(target, ()):
            self.ask(rule, row, instead, place)

    def named(self, agencies: Sequence[str], look: str | None) -> None:
        """Ask for agencies that a person or a missed clock named, and for a person in the name of the rule *look*."""
        for agency in agencies:
            if self._known(agency, BY_PERSON):
                self.asks.append(Ask(BY_PERSON, agency, "person", None, "decided after the rules"))
        if look:
            self.asks.append(Ask(look, REVIEW, REVIEW, None, "a person must look"))

    def _looked_at(self, row: Row, clause: Clause, places: Sequence[Place | None]) -> Sequence[Place | None]:
        if clause.per == row.per:
            return places
        return self.parts[clause.per] if clause.per != "tip" else (None,)

    def _candidates(self, rule: str, conflict: Place | None) -> None:
        """The union of the routes of every country that sources name for one address (R20)."""
        for place in self.facts.places:
            if place.candidate and conflict is not None and place.part == conflict.part:
                normal, self.fired = self.fired, {}
                for row in self.book.rows:
                    if row.raw.route and row.per == place.part and row.failed(self.facts, place, self.fired) is None:
                        self.fired[row.id] = [place]
                        self.clauses(row, row.then, (place,), rule)
                self.fired = normal

    def _agency(self, rule: str, target: str, place: Place | None) -> str | None:
        """Id of the agency that *target* means here, if it can have a referral."""
        standing = place.standing if place else None
        if target == REVIEW:
            return REVIEW
        if target == "police-of" and standing and standing.at != "home":
            return self._police(standing, rule)
        if target == "hotline-of":
            return self._hotline(place) if place and place.standing.hotlines else None
        if target == "interpol-ncb" and standing and standing.country and standing.interpol == "none":
            self._miss(self.atlas.bureau, rule, "no_interpol_member")
            return None
        if target == "cdn":
            return self._operator(rule, place)
        agency = self._fixed(target)
        return agency if self._known(agency, rule) else None

    def _police(self, standing: Standing, rule: str) -> str | None:
        if standing.police is None and standing.country:
            self._miss(f"police-{standing.country.lower()}", rule, "not_onboarded")
        return standing.police

    def _fixed(self, target: str) -> str:
        return {
            "police-home": self.atlas.police_home,
            "police-of": self.atlas.police_home,
            "interpol-ncb": self.atlas.bureau,
            "interpol-iccam": ICCAM,
            "europol": EUROPOL,
            "takedown": self.atlas.takedown,
            "crawler": CRAWLER,
            "reporting-channel": REPORTING_CHANNEL,
        }[target]

    def _hotline(self, place: Place) -> str:
        """The one hotline of the place's country; recorded facts do not name the domain that chose it."""
        standing = place.standing
        return place.hotline or choose(standing.hotlines, standing.hotline_country, "").id

    def _operator(self, rule: str, place: Place | None) -> str | None:
        if place is None or place.operator is None:
            return None
        return place.operator if self._known(place.operator, rule) else None

    def _why_this_hotline(self, rule: str, place: Place) -> None:
        for agency in place.standing.passed_over:
            self._miss(agency, rule, self._why_not(agency))

    def passed_over(self, row: Row, places: Sequence[Place | None]) -> None:
        """Name the hotlines that *places* could not have: none, not onboarded, inactive or not theirs."""
        for place in places:
            if place is None or place.standing.hotlines or place.standing.at == "home":
                continue
            for agency in place.standing.passed_over:
                self._miss(agency, row.id, self._why_not(agency))
            if not place.standing.passed_over and place.standing.country:
                certainty = self.atlas.registry[place.standing.country].hotline_certainty
                reason = "low_certainty" if certainty == "low" else "no_inhope_member"
                self._miss(f"hotline-{place.standing.country.lower()}", row.id, reason)

    def _known(self, agency: str, rule: str) -> bool:
        if self.atlas.usable(agency) and agency not in self.excluded:
            return True
        self._miss(agency, rule, self._why_not(agency))
        return False

    def _why_not(self, agency: str) -> str:
        record = self.atlas.agencies.get(agency)
        if record is None:
            return "not_onboarded"
        if agency in self.atlas.testing:
            return "being_onboarded"
        return "said_not_theirs" if record.active else "inactive"

    def _miss(self, agency: str, rule: str, reason: str) -> None:
        miss = Miss(agency, rule, reason)
        if miss not in self.misses:
            self.misses.append(miss)

    def _ask_later(self, rule: str, row: Row, target: str, place: Place | None) -> None:
        agency = self._agency(rule, target, place)
        if agency is not None and all(ask.agency != agency for ask in self.later):
            self.later.append(Ask(rule, agency, target, place, self._text(row, place)))

    def _text(self, row: Row, place: Place | None) -> str:
        country = place.standing.country if place else None
        return row.title.replace("{country}", country or "an unknown country")

    def kind_of(self, agency: str) -> str:
        """Kind of an agency, or ``review``."""
        record = self.atlas.agencies.get(agency)
        return record.kind.value if record else REVIEW

    def held(self, ask: Ask) -> bool:
        """Tell whether *ask* would go to somebody under legal hold."""
        record = self.atlas.agencies.get(ask.agency)
        return ask.to_held_country or (record is not None and record.hold)


def lane_kind(atlas: Atlas, agency: str) -> AgencyKind | None:
    """The kind by which an agency's priority is found: references by way of ICCAM are about content, not persons."""
    record = atlas.agencies.get(agency)
    if record is None:
        return None
    return AgencyKind.HOTLINE if agency == ICCAM else record.kind
