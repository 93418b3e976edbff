"""
Writes ``tips.jsonl``: what every kind of sender sends, in neutral invented words.

Only reserved names and addresses stand in it; hashes are digests of labels.
Where an address lies is said by the synthetic databases in ``geodata/``.

Each line: ``{"as": partner, "lane": "urgent" or null, "note": ..., "submission": {...}}``, or ``raw_base64``
(times ``repeat``) in place of ``submission`` for bytes that are none.
"""

# ruff: noqa: E501, ANN401, INP001 - a table of tips, one a line; a program of its own

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]
OUT = Path(__file__).with_name("tips.jsonl")
DAY = "2026-11-20T"

NL, NL_TOO, SE, SE_TOO, US, DE = "192.0.2.7", "192.0.2.21", "192.0.2.70", "192.0.2.77", "192.0.2.100", "192.0.2.130"
IT, TW, VN, KP, XK, TH = "192.0.2.165", "192.0.2.180", "192.0.2.195", "192.0.2.210", "192.0.2.226", "192.0.2.242"
GB, FR, FI, NO, DK, PH = (
    "198.51.100.3",
    "198.51.100.18",
    "198.51.100.35",
    "198.51.100.50",
    "198.51.100.66",
    "198.51.100.195",
)
CDN, CDN_UNKNOWN, ANYCAST, TOR = "203.0.113.5", "203.0.113.20", "203.0.113.34", "203.0.113.50"
MAJORITY, NOBODY_KNOWS, TERRITORY, NOTHING = "203.0.113.66", "203.0.113.83", "203.0.113.204", "203.0.113.245"


def sha256(label: str) -> str:
    """Digest of a label: a hash of no file."""
    return hashlib.sha256(label.encode()).hexdigest()


def sha1_base32(label: str) -> str:
    """SHA-1 in base32, as file-sharing clients print it."""
    return base64.b32encode(hashlib.sha1(label.encode()).digest()).decode()  # noqa: S324 - a spelling, not a protection


def onion(label: str) -> str:
    """A well-formed onion name of a key that nobody has."""
    key = hashlib.sha256(label.encode()).digest()
    check = hashlib.sha3_256(b".onion checksum" + key + b"\x03").digest()[:2]
    return base64.b32encode(key + check + b"\x03").decode().lower() + ".onion"


def tip(sender: str, note: str, reference: str, kind: str, *, urgent: bool = False, **fields: Any) -> Line:
    """One submission of *sender*."""
    body = {"schema": "tip-submission/1", "reference": reference, "kind": kind} | fields
    return {"as": sender, "lane": "urgent" if urgent else None, "note": note, "submission": body}


def raw(sender: str, note: str, value: bytes, repeat: int = 1) -> Line:
    """Bytes that are no submission."""
    line = {"as": sender, "lane": None, "note": note, "raw_base64": base64.b64encode(value).decode()}
    return line | ({"repeat": repeat} if repeat > 1 else {})


def host(ip: str, **more: Any) -> dict[str, Any]:
    """A server's address."""
    return {"ip": ip, "role": "hosting", "port": 443} | more


def person(ip: str, role: str = "upload", **more: Any) -> dict[str, Any]:
    """The address of somebody."""
    return {"ip": ip, "role": role, "port": 40_123, "observed_at": DAY + "08:00:00Z"} | more


def public() -> list[Line]:
    """The hotline's form: short, often without much; nobody believes its urgency flag unseen."""

    def form(note: str, number: int, kind: str, **fields: Any) -> Line:
        return tip("public", note, f"W-2026-{number:04}", kind, **fields)

    return [
        form("a page, in Swedish", 1, "csam", urls=["https://galleri.example/album/17"], addresses=[host(NL)],
             narrative="Jag hittade en sida som jag tror är olaglig.", language="sv"),
        form("a page, in English", 2, "csam", urls=["https://board.test/thread/9"], addresses=[host(US)],
             narrative="Somebody sent me this address.", language="en"),
        form("text alone that says now, in Swedish", 3, "other", urgent=True, language="sv",
             narrative="Det pågår just nu i lägenheten bredvid."),
        form("text alone that says now, in English", 4, "live_abuse", urgent=True, language="en",
             narrative="It is happening right now, somebody streams it.", signals=["live_streaming"]),
        form("urgent by its own word, nobody vetted it", 5, "csam", urgent=True, urls=["https://a.forum.example/p/1"],
             urgency={"immediate_danger": True, "reason": "I think that it is close to me."}),
        form("a child tells about itself, and consents", 6, "sextortion", urgent=True, language="sv",
             signals=["self_report"], people=[{"role": "victim", "location": "SE", "age": 14}],
             reporter={"contact": "reporter@example.org", "share_with_police": True},
             accounts=[{"service": "chat.example", "handle": "invented-handle-6"}],
             narrative="Någon vill ha pengar av mig."),
        form("contact given, but not for the police", 7, "csam", urls=["https://galleri.example/album/18"],
             addresses=[host(SE)], reporter={"contact": "quiet@example.org", "share_with_police": False}),
        form("a defanged address in prose", 8, "csam", urls=["see hxxps://galleri[.]example/album/19 please"]),
        form("a magnet link: lies nowhere", 9, "csam", urls=[f"magnet:?xt=urn:btih:{sha1_base32('file 9')}"]),
        form("an address in a strange spelling", 10, "csam", urls=["http://3232235777/album"]),
        form("only words, no place", 11, "other", narrative="Something seems wrong on a site, I forgot which."),
        form("a language without word list", 12, "other", language="fi", narrative="Keksitty teksti ilman yksityiskohtia."),
        form("drawn, thin", 13, "csam", urls=["https://drawn.example/1"], signals=["drawn"], addresses=[host(FR)]),
        form("spam", 14, "other", signals=["spam"], narrative="Buy things."),
        form("already told the police", 15, "csam", urls=["https://galleri.example/album/20"], addresses=[host(SE_TOO)],
             known_to=[{"agency": "police-se", "case": "5000-K15-26"}], people=[{"role": "victim", "location": "SE"}]),
    ]  # fmt: skip


def hotline() -> list[Line]:
    """The home hotline's analysts: assessed, vetted."""

    def work(note: str, number: int, kind: str, **fields: Any) -> Line:
        return tip("ecpat-se", note, f"E-2026-{number:06}", kind, **fields)

    baseline = {"status": "baseline", "labels": ["A1"]}
    return [
        work("hosted in NL, nothing Swedish", 1, "csam", urls=["https://cloud.example/f/1"], addresses=[host(NL)], assessment=baseline),
        work("hosted in NL, a Swedish child", 2, "csam", urls=["https://cloud.example/f/2"], addresses=[host(NL_TOO)],
             assessment=baseline, people=[{"role": "victim", "nationalities": ["SE"], "location": "SE", "age": 11}]),
        work("hosted at home, assessed illegal", 3, "csam", urls=["https://hem.example/a"], addresses=[host(SE)], assessment=baseline),
        work("hosted at home, not assessed", 4, "csam", urls=["https://hem.example/b"], addresses=[host(SE_TOO)]),
        work("Germany has three hotlines: exactly one", 5, "csam", urls=["https://ein.example/1"], addresses=[host(DE)], assessment=baseline),
        work("the same site again: the same hotline", 6, "csam", urls=["https://ein.example/2"], addresses=[host(DE)], assessment=baseline),
        work("Italy has two", 7, "csam", urls=["https://uno.example/1"], addresses=[host(IT)], assessment=baseline),
        work("Taiwan: a hotline, no Interpol", 8, "csam", urls=["https://tw.example/1"], addresses=[host(TW)], assessment=baseline),
        work("Vietnam: no hotline", 9, "csam", urls=["https://vn.example/1"], addresses=[host(VN)], assessment=baseline),
        work("no partner and no Interpol member", 10, "csam", urls=["https://kp.example/1"], addresses=[host(KP)], assessment=baseline),
        work("Kosovo", 11, "csam", urls=["https://xk.example/1"], addresses=[host(XK)], assessment=baseline),
        work("a territory", 12, "csam", urls=["https://ax.example/1"], addresses=[host(TERRITORY)], assessment=baseline),
        work("an edge of a delivery network", 13, "csam", urls=["https://edge.example/1"], addresses=[host(CDN)], assessment=baseline),
        work("an edge of a network without a desk", 14, "csam", urls=["https://edge.example/2"], addresses=[host(CDN_UNKNOWN)], assessment=baseline),
        work("anycast", 15, "csam", urls=["https://any.example/1"], addresses=[host(ANYCAST)]),
        work("two sources of three agree", 16, "csam", urls=["https://two.example/1"], addresses=[host(MAJORITY)], assessment=baseline),
        work("nobody agrees: a person looks", 17, "csam", urls=["https://three.example/1"], addresses=[host(NOBODY_KNOWS)], assessment=baseline),
        work("an analyst named the country: wins", 18, "csam", urls=["https://three.example/2"],
             addresses=[host(NOBODY_KNOWS, country="NL", country_by="analyst")], assessment=baseline),
        work("an onion service", 19, "csam", urls=[f"http://{onion('demo')}/x"], assessment=baseline),
        work("an onion name with a wrong checksum", 20, "csam", urls=[f"http://{'a' * 56}.onion/x"]),
        work("a hash alone", 21, "csam", hashes=[{"algorithm": "sha256", "value": sha256("file 21")}], assessment=baseline),
        work("SHA-1 in base32", 22, "csam", hashes=[{"algorithm": "sha1", "value": sha1_base32("file 22")}], assessment=baseline),
        work("the hash of nothing", 23, "csam", hashes=[{"algorithm": "md5", "value": "d41d8cd98f00b204e9800998ecf8427e"}]),
        work("a planned journey", 24, "travelling_offender", urgent=True, signals=["planned_meeting"],
             people=[{"role": "suspect", "nationalities": ["SE"], "location": "TH", "age": 51}],
             place={"country": "TH", "description": "A town that is not named."}),
        work("abroad, with contact", 25, "travelling_offender", urgent=True, signals=["ongoing_contact"],
             people=[{"role": "suspect", "nationalities": ["SE"], "location": "PH"}], place={"country": "PH"}),
        work("trafficking through three countries", 26, "trafficking", urgent=True, place={"country": "SE", "region": "Väst"},
             people=[{"role": "victim", "nationalities": ["RO"], "location": "SE", "age": 15},
                     {"role": "suspect", "nationalities": ["DE"], "location": "DE"}], narrative="Invented."),
        work("assessed, not illegal", 27, "other", urls=["https://legal.example/1"], assessment={"status": "not_illegal"}),
        work("harmful, not illegal", 28, "other", urls=["https://harm.example/1"], addresses=[host(SE)], assessment={"status": "harmful"}),
        work("illegal at home only: drawn", 29, "csam", urls=["https://drawn.example/2"], addresses=[host(GB)], signals=["drawn"], assessment={"status": "national"}),
        work("a peer in a file-sharing network", 30, "csam", addresses=[person(FI, "peer")], hashes=[{"algorithm": "sha1", "value": sha1_base32("file 30")}], assessment=baseline),
        work("several hosts, each routed", 31, "csam", urls=["https://many.example/1"], addresses=[host(NL), host(GB), host(FR)], assessment=baseline),
        work("a test", 32, "csam", urls=["https://test.example/1"], addresses=[host(NL)], is_test=True),
        work("evidence expires soon", 33, "csam", urls=["https://soon.example/1"], addresses=[host(US)], preserve_until="2026-11-24T00:00:00Z"),
        work("IPv6", 34, "csam", urls=["https://six.example/1"], addresses=[host("2001:db8:1::7")], assessment=baseline),
        work("no address is known", 35, "csam", urls=["https://nowhere.example/1"], assessment=baseline),
        work("no source says anything", 36, "csam", urls=["https://void.example/1"], addresses=[host(NOTHING)]),
        work("corrected below", 37, "csam", urls=["https://fix.example/1"], addresses=[host(NL)], assessment=baseline),
        work("its correction: another country", 38, "csam", urls=["https://fix.example/1"], addresses=[host(GB)], assessment=baseline, supersedes="E-2026-000037"),
        work("a mistake", 39, "csam", urls=["https://mistake.example/1"], addresses=[host(US)], assessment=baseline),
        work("its withdrawal", 40, "csam", supersedes="E-2026-000039", withdrawn=True),
        work("sent twice", 41, "csam", urls=["https://twice.example/1"], addresses=[host(FR)], assessment=baseline),
        work("sent twice", 41, "csam", urls=["https://twice.example/1"], addresses=[host(FR)], assessment=baseline),
    ]  # fmt: skip


def clearing_house() -> list[Line]:
    """Provider reports through a clearing house: accounts, uploaders' addresses, files by hash."""

    def report(note: str, number: int, kind: str, **fields: Any) -> Line:
        return tip("ncmec", note, f"CT-{9_000_000 + number}", kind, **fields)

    def viral(number: int) -> Line:
        return report("one viral file, another account each time", 100 + number, "csam",
                      hashes=[{"algorithm": "sha256", "value": sha256("viral")}], signals=["viral", "known_material"],
                      accounts=[{"service": "social.example", "handle": f"invented-{number}"}], addresses=[person(SE)])  # fmt: skip

    return [
        report("uploader at home, file hosted in the US", 1, "csam", addresses=[person(SE), host(US)],
               hashes=[{"algorithm": "pdq", "value": sha256("picture 1")}], accounts=[{"service": "mail.example", "handle": "invented-1"}],
               assessment={"status": "baseline", "labels": ["B1"]}),
        report("uploader in Norway", 2, "csam", addresses=[person(NO)], accounts=[{"service": "mail.example", "handle": "invented-2"}],
               hashes=[{"algorithm": "md5", "value": sha256("file 2")[:32]}], assessment={"status": "baseline"}),
        report("uploader in a country without partner", 3, "csam", addresses=[person(VN)], accounts=[{"service": "mail.example", "handle": "invented-3"}]),
        report("grooming, chat in progress", 4, "grooming", urgent=True, signals=["ongoing_contact"], addresses=[person(SE_TOO, "login")],
               accounts=[{"service": "game.example", "handle": "invented-4"}], people=[{"role": "victim", "location": "SE", "age": 12}]),
        report("sextortion, a child in crisis", 5, "sextortion", urgent=True, signals=["crisis"], people=[{"role": "victim", "location": "DK", "age": 15}],
               accounts=[{"service": "chat.example", "handle": "invented-5"}], addresses=[person(DK, "login")]),
        report("escalated by the provider, with its reason", 6, "csam", urgent=True, urgency={"immediate_danger": True, "reason": "Access to a child at home."},
               addresses=[person(SE)], signals=["access_to_children", "new_material"], accounts=[{"service": "drive.example", "handle": "invented-6"}]),
        report("behind a Tor exit", 7, "csam", addresses=[person(TOR, possible_proxy=True)], accounts=[{"service": "drive.example", "handle": "invented-7"}]),
        report("events in three countries", 8, "csam", addresses=[person(FI), person(DK, "login"), person(NO, "registration")], accounts=[{"service": "drive.example", "handle": "invented-8"}]),
        report("one minor to another", 9, "csam", signals=["minor_to_minor", "self_generated"], addresses=[person(SE)], accounts=[{"service": "social.example", "handle": "invented-9"}]),
        report("made by a model: never lowers", 10, "csam", signals=["generative_ai"], addresses=[person(FI)], accounts=[{"service": "image.example", "handle": "invented-10"}]),
        report("without port behind a shared address", 11, "solicitation", addresses=[{"ip": SE, "role": "login", "observed_at": DAY + "08:00:00"}],
               accounts=[{"service": "chat.example", "handle": "invented-11"}]),
        *(viral(number) for number in range(1, 6)),
    ]  # fmt: skip


def crawler() -> list[Line]:
    """What a crawler detects: known hashes at many places, no persons."""

    def hit(note: str, number: int, **fields: Any) -> Line:
        return tip("arachnid", note, f"AR-{number:05}", "csam", **fields)

    known = {"signals": ["known_material"], "assessment": {"status": "baseline"}}
    return [
        *(hit("a known file on a site in NL", n, urls=[f"https://store.example/p/{n}"], addresses=[host(NL_TOO)],
              hashes=[{"algorithm": "sha256", "value": sha256(f"known {n}")}], **known) for n in range(1, 5)),
        hit("what the hotline has seen too: a sighting", 5, urls=["https://cloud.example/f/1"], addresses=[host(NL)], **known),
        hit("again: another sighting", 6, urls=["https://cloud.example/f/1"], addresses=[host(NL)], **known),
        hit("a commercial site", 7, urls=["https://shop.example/"], addresses=[host(GB)], signals=["commercial"], assessment={"status": "baseline"}),
    ]  # fmt: skip


def peer() -> list[Line]:
    """Another country's hotline: what lies in Sweden comes here, and nothing bounces back to it."""

    def note(text: str, number: int, **fields: Any) -> Line:
        return tip("inhope-peer", text, f"IN-{number:05}", "csam", **fields)

    baseline = {"status": "baseline"}
    return [
        note("hosted in Sweden", 1, urls=["https://se.example/1"], addresses=[host(SE)], assessment=baseline),
        note("hosted in its own country: never back to it", 2, urls=["https://ein.example/9"], addresses=[host(DE)], assessment=baseline),
        note("hosted in Finland", 3, urls=["https://fi.example/1"], addresses=[host(FI)], assessment=baseline),
        note("a live stream, an hour ago", 4, urgent=True, urls=["https://live.example/1"], addresses=[host(SE_TOO)], signals=["live_streaming"], assessment=baseline),
    ]  # fmt: skip


def refused() -> list[Line]:
    """What intake says no to, once for each reason that an inbox can meet."""
    many = [f"https://u{n}.test" for n in range(1_001)]
    return [
        raw("public", "not_json: words", b"this is no submission"),
        raw("ecpat-se", "not_json: not even UTF-8", b'{"reference": "\xff\xfe", "kind": "csam"}'),
        raw("ncmec", "too_large", b"x", 270_000),
        tip("ecpat-se", "unknown_schema", "E-2026-000901", "csam", urls=["https://a.example"], schema="tip-submission/9"),
        tip("ncmec", "unknown_field: misspelt", "CT-9000902", "csam", urls=["https://a.example"], narative="Invented."),
        tip("arachnid", "invalid_field: a hash without algorithm", "AR-00903", "csam", hashes=[{"value": sha256("903")}]),
        tip("public", "invalid_field: a kind that is none", "W-2026-0904", "unheard_of", narrative="Invented."),
        tip("public", "empty_tip", "W-2026-0905", "other"),
        tip("arachnid", "too_many", "AR-00906", "csam", urls=many),
        tip("public", "media_refused: in a text", "W-2026-0907", "csam", narrative="Look: data:image/png;base64,AAAA"),
        tip("ecpat-se", "media_refused: nested", "E-2026-000908", "csam", people=[{"role": "victim", "note": "data:video/mp4;base64,AAAA"}]),
        tip("ecpat-se", "unknown_reference", "E-2026-000909", "csam", supersedes="E-1999-000001", urls=["https://a.example"]),
        tip("ecpat-se", "reference_reused: other content", "E-2026-000041", "csam", urls=["https://other.example/1"]),
    ]  # fmt: skip


def lines() -> list[Line]:
    """Every line, in the order in which it is published."""
    return [*public(), *hotline(), *clearing_house(), *crawler(), *peer(), *refused()]


if __name__ == "__main__":
    OUT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines()))
