"""
Any number of tips of every sort, from a seed, through the decisions of intake, geolocate and router: no broker.

Several tell of the same thing, correct or withdraw what they said, come from every sender, in every kind, with
every role, signal and spelling; agencies answer, time passes. All names are reserved, all text is neutral.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid5

import orjson

from contracts import topics
from contracts.vocabulary import AddressRole, AssessmentStatus, HashAlgorithm, Kind, Label, PersonRole, Signal
from services.chassis.hop import NAMESPACE, Emit, Hop, Input, Outcome, Record, Timer, event_id
from services.chassis.onboarding import load_partners
from services.geolocate.hop import GeolocateHop
from services.intake.hop import IntakeHop
from services.router.following.sampling import sampled
from services.router.hop import RouterHop
from tests.support.geodata import demo_geodata
from tests.support.intake import KEY, NOW, DictView
from tests.support.router_world import SETTINGS, registry, shipped

ENDS = ("destinations", "sighting", "review", "px")
PARTNERS = load_partners(SETTINGS)
COUNTRIES = tuple(registry().rows)
ADDRESSES = (
    *(f"192.0.2.{n}" for n in range(0, 256, 3)),
    *(f"198.51.100.{n}" for n in range(0, 256, 7)),
    *(f"203.0.113.{n}" for n in range(0, 256, 4)),
    *("2001:db8::7", "::ffff:192.0.2.7", "64:ff9b::192.0.2.70", "10.0.0.1", "127.0.0.1", "0300.0000.0002.0007", "::1"),
    *("3221225991", "192.0.2.7.", "not an address", "192.0.2.256", "192.0.2.130:8080"),
)
SCHEMES = ("https://", "http://", "hxxps://", "", "ftp://", "//")
HOSTS = ("h{}.example", "www.h{}.test", "a.b.h{}.example", "h{}.invalid", "[2001:db8::{}]", "192.0.2.{}")
ODD = (
    *("http://" + "a" * 56 + ".onion/x", "http://" + "a" * 16 + ".onion", "http://host.i2p/", "magnet:?xt=urn:btih:0"),
    *("ipfs://bafy", "https://t.me/joinchat/x", "tg://join?invite=x", "https://bit.ly/x", "https://", "::", "mailto:x"),
)
TEXTS = (
    *("neutral invented text", "neutral text, now", "det händer just nu", "they meet tomorrow", "wants to die", ""),
    *("vill dö", "tout de suite", "一般的な文", "viral clip that everybody shares"),
)
LANGUAGES = ("sv", "en", "de", "fr", "ja", "xx", "pt-BR")
REGIONS = ("Väst", "region stockholm", "Nowhere", "SYD")
THINGS = 400
"""Targets that tips of one chunk share: every tip beyond the first of a target may be a sighting."""
ANSWERS = (
    *({"what": "acknowledged"}, {"what": "actioned"}, {"what": "closed"}, {"what": "expired"}),
    *({"what": "nack", "nack": "not_ours"}, {"what": "nack", "nack": "legal"}, {"what": "nack", "nack": "malformed"}),
    *({"what": "moved", "moved_to": "FI"}, {"what": "moved", "moved_to": "ZZ"}, {"what": "active_investigation"}),
    {"what": "agency_removed"},
)
ANSWERED_BY = ("referral_id", "tip_id", "version", "group", "destination")
REMEMBERED = 2_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One submission and who sends it."""

    partner: str
    body: dict[str, Any]


def submissions(count: int, seed: int) -> Iterator[Sent]:
    """*count* submissions; the same seed gives the same."""
    draw = Random(seed)
    known: list[Sent] = []
    for number in range(count):
        if known and draw.random() < 0.2:
            one = _again(draw, draw.choice(known), number)
        else:
            one = Sent(draw.choice([*PARTNERS]), _fresh(draw, f"G-{seed}-{number}"))
        known.append(one)
        if len(known) > 500:
            known.pop(draw.randrange(500))
        yield one


def _fresh(draw: Random, reference: str) -> dict[str, Any]:
    body: dict[str, Any] = {"reference": reference, "kind": draw.choice([*Kind]), "narrative": draw.choice(TEXTS)}
    for name, (share, make) in _PARTS.items():
        if draw.random() < share:
            body[name] = make(draw)
    if not any(body.get(name) for name in ("urls", "addresses", "hashes", "accounts")):
        body["accounts"] = _accounts(draw)
    return body


def _again(draw: Random, earlier: Sent, number: int) -> Sent:
    """The same told by somebody else, the next revision of a tip, a withdrawal, or the same once more."""
    sort = draw.random()
    if sort < 0.1:
        return earlier
    if sort < 0.6 and not earlier.body.get("withdrawn"):
        other = {name: value for name, value in earlier.body.items() if name != "supersedes"}
        return Sent(draw.choice([*PARTNERS]), other | {"reference": f"{other['reference']}-{number}"})
    body = {"supersedes": earlier.body["reference"], "reference": f"{earlier.body['reference']}.{number}"}
    if sort < 0.7:
        return Sent(earlier.partner, body | {"kind": earlier.body["kind"], "withdrawn": True})
    return Sent(earlier.partner, _fresh(draw, "x") | body)


def _urls(draw: Random) -> list[str]:
    def one() -> str:
        if draw.random() < 0.08:
            return draw.choice(ODD)
        host = draw.choice(HOSTS).format(draw.randrange(THINGS) if draw.random() < 0.8 else draw.randrange(256))
        return f"{draw.choice(SCHEMES)}{host}/{draw.choice(('', 'a', 'a/b?id=7', 'å'))}"

    return [one() for _ in range(draw.choice((1, 1, 1, 2, 5)))]


def _addresses(draw: Random) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        made: dict[str, Any] = {"ip": draw.choice(ADDRESSES), "role": draw.choice([*AddressRole])}
        if draw.random() < 0.3:
            made |= {"port": draw.randrange(65_536), "observed_at": _time(draw)}
        if draw.random() < 0.2:
            made |= {"country": _country(draw), "country_by": draw.choice(("analyst", "tool"))}
        return made

    return [one() for _ in range(draw.choice((1, 1, 2, 3)))]


def _hashes(draw: Random) -> list[dict[str, str]]:
    sizes = {HashAlgorithm.MD5: 32, HashAlgorithm.SHA1: 40, HashAlgorithm.SHA256: 64, HashAlgorithm.PDQ: 64}
    algorithm = draw.choice([*sizes])
    value = (
        "d41d8cd98f00b204e9800998ecf8427e" if draw.random() < 0.05 else f"{draw.randrange(THINGS):0{sizes[algorithm]}x}"
    )
    return [{"algorithm": algorithm, "value": value}]


def _accounts(draw: Random) -> list[dict[str, str]]:
    return [{"service": "chat.example", "handle": f"someone{draw.randrange(THINGS)}"}]


def _people(draw: Random) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        made: dict[str, Any] = {"role": draw.choice([*PersonRole])}
        if draw.random() < 0.6:
            made["nationalities"] = [_country(draw) for _ in range(draw.choice((1, 1, 2)))]
        if draw.random() < 0.4:
            made["location"] = _country(draw)
        return made | ({"age": draw.randrange(18)} if draw.random() < 0.3 else {})

    return [one() for _ in range(draw.choice((1, 1, 2, 4)))]


def _time(draw: Random) -> str:
    at = NOW - timedelta(minutes=draw.randrange(-600, 60 * 24 * 90))
    return at.strftime(draw.choice(("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S+01:00")))


def _country(draw: Random) -> str:
    return draw.choice(("SE", "NL", "NO", "DE")) if draw.random() < 0.4 else draw.choice(COUNTRIES)


def _signals(draw: Random) -> list[str]:
    return draw.sample([*Signal], draw.choice((1, 1, 2, 3)))


def _assessment(draw: Random) -> dict[str, Any]:
    labels = draw.sample([*Label], draw.choice((0, 0, 1, 2)))
    return {"status": draw.choice([*AssessmentStatus]), "labels": labels}


_PARTS: dict[str, tuple[float, Callable[[Random], Any]]] = {
    "urls": (0.7, _urls),
    "addresses": (0.5, _addresses),
    "hashes": (0.2, _hashes),
    "accounts": (0.2, _accounts),
    "people": (0.4, _people),
    "assessment": (0.7, _assessment),
    "signals": (0.4, _signals),
    "place": (0.2, lambda draw: {"country": _country(draw), "region": draw.choice(REGIONS)}),
    "urgency": (0.1, lambda draw: {"immediate_danger": True, "reason": draw.choice(TEXTS)}),
    "observed_at": (0.4, _time),
    "language": (0.3, lambda draw: draw.choice(LANGUAGES)),
    "known_to": (0.1, lambda _: [{"agency": "police-se", "case": "K-1"}]),
    "preserve_until": (0.1, lambda _: "2026-11-30T00:00:00Z"),
    "reporter": (0.2, lambda draw: {"contact": "nobody@example.org", "share_with_police": draw.random() < 0.5}),
    "is_test": (0.05, lambda _: True),
}


@dataclass(slots=True)
class Place:
    """A hop's decision, its store and its timers."""

    hop: Hop
    view: DictView = field(default_factory=DictView)
    timers: dict[str, Timer] = field(default_factory=dict)
    count: int = 0

    def work(self, topic: str, body: bytes, now: datetime, event: UUID | None = None) -> Outcome:
        """Decide on one record and keep what is to be kept."""
        self.count += 1
        record = Record(topic, 0, self.count, b"k", body, (), int(now.timestamp() * 1000))
        return self._keep(Input(event or uuid5(NAMESPACE, f"{topic}/{self.count}"), now, record))

    def wait(self, until: datetime) -> Iterator[Outcome]:
        """Fire every timer that is due by then."""
        due = sorted((timer for timer in self.timers.values() if timer.due <= until), key=lambda t: (t.due, t.key))
        for timer in due:
            if self.timers.get(timer.key) is timer:
                del self.timers[timer.key]
                yield self._keep(Input(uuid5(NAMESPACE, timer.key), until, timer=timer))

    def _keep(self, given: Input) -> Outcome:
        outcome = self.hop.decide(given, self.view)
        # Copies: what orjson returns holds four kilobytes, however short it is.
        self.view.put({key: value and bytes(memoryview(value)) for key, value in outcome.puts.items()})
        self.timers |= {timer.key: timer for timer in outcome.timers}
        for key in outcome.cancels:
            self.timers.pop(key, None)
        for number, emit in enumerate(outcome.events):
            emit.event_id = event_id(given.event_id, self.hop.name, number)
        return outcome


class Line:
    """Three hops' decisions in a row; says of every tip how it ended."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.wrong: list[str] = []
        """Tips that did not end as they must, with the reason."""
        self.referrals: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        """The newest referrals that nobody answered yet, without their content."""
        self._intake = Place(IntakeHop(PARTNERS, KEY))
        self._locate = Place(GeolocateHop(lambda: demo_geodata().current, PARTNERS, partitions=1))
        self._router = Place(RouterHop(shipped(), 1))
        self._sent: dict[str, set[str]] = {}

    def send(self, one: Sent, now: datetime = NOW) -> None:
        """Send one submission through."""
        taken = self._intake.work(topics.inbox(one.partner), orjson.dumps(one.body), now)
        status = next(orjson.loads(e.body) for e in taken.events if e.topic.startswith(topics.STATUS))
        if status["status"] == "refused":
            self.ends["refused"] += 1
            self.refused[str(status["refusal"]["reason"])] += 1
        for received in _of(taken, topics.RECEIVED):
            located = self._locate.work(received.topic, received.body, now, received.event_id)
            for body in _of(located, topics.LOCATED):
                self._check(self._router.work(body.topic, body.body, now, body.event_id), decided=True)
        if not _of(taken, topics.RECEIVED) and status["status"] == "accepted":
            self.ends["repeat"] += 1

    def answer(self, referral: dict[str, Any], said: dict[str, Any], now: datetime) -> None:
        """Let the agency of a referral answer."""
        body = {
            "schema": "outcome/1", "referral_id": referral["referral_id"], "tip_id": referral["tip_id"],
            "version": referral["version"], "group_id": referral["group"], "destination": referral["destination"],
            "at": now, **said,
        }  # fmt: skip
        self._check(self._router.work(topics.OUTCOMES, orjson.dumps(body), now), decided=False)

    def wait(self, until: datetime) -> None:
        """Let time pass for the router."""
        for outcome in self._router.wait(until):
            self._check(outcome, decided=False)

    def _check(self, outcome: Outcome, *, decided: bool) -> None:
        decisions = [orjson.loads(emit.body) for emit in outcome.events if emit.topic == topics.DECISIONS]
        routed = [orjson.loads(emit.body) for emit in _of(outcome, topics.ROUTED)]
        if decided and len(decisions) != 1:
            self.wrong.append(f"{outcome.tip}: {len(decisions)} decisions")
        fresh = [one for one in routed if one["action"] == "new"][:1]
        self.referrals += [{name: one[name] for name in ANSWERED_BY} for one in fresh]
        asked = any(emit.topic == topics.REVIEWS for emit in outcome.events)
        for decision in decisions:
            self._ended(decision, routed, asked=asked)

    def _ended(self, decision: dict[str, Any], routed: list[dict[str, Any]], *, asked: bool) -> None:
        tip, ids = decision["tip_id"], {to["id"] for to in decision["destinations"]}
        sent = self._sent.setdefault(tip, set())
        sent |= {one["destination"] for one in routed if one["action"] in ("new", "update")}
        sighted = len(decision["sighting_of"])
        missing = ids - sent - {"review"}
        if len(missing) > sighted:
            self.wrong.append(f"{tip}: {sorted(missing)} got nothing")
        qa = decision["px"] == "not_illegal" and sampled(UUID(tip))
        if ("review" in ids) != asked and not (qa and asked):
            self.wrong.append(f"{tip}: a person was {'not ' if not asked else ''}asked")
        if bool(decision["px"]) == bool(ids):
            self.wrong.append(f"{tip}: destinations {sorted(ids)} and px {decision['px']}")
        self.ends[_end(decision, ids, sighted)] += 1


def _end(decision: dict[str, Any], ids: set[str], sighted: int) -> str:
    if decision["px"]:
        return "px"
    if sighted and sighted == len(ids - {"review"}):
        return "sighting"
    return "review" if ids == {"review"} else "destinations"


def _of(outcome: Outcome, topic: str) -> list[Emit]:
    """Events for both lanes of *topic*."""
    return [emit for emit in outcome.events if emit.topic in (topic, topic + topics.URGENT)]


def run(count: int, seed: int) -> Line:
    """Send *count* tips of *seed* through; some agencies answer, a month passes in between."""
    line, draw, now = Line(), Random(seed + 1), NOW
    for number, one in enumerate(submissions(count, seed)):
        line.send(one, now)
        if line.referrals and draw.random() < 0.1:
            at = draw.randrange(len(line.referrals))
            referral = line.referrals[at]
            del line.referrals[at]
            line.answer(referral, draw.choice(ANSWERS), now)
        if number % 1000 == 999:
            now += timedelta(hours=5)
            line.wait(now)
    line.wait(now + timedelta(days=31))
    return line
