"""Synthetic tips for the benchmarks: invented text, random hashes, addresses in and near reserved ranges."""

import random
import uuid
from datetime import UTC, datetime

import orjson

from contracts.events import Content, TipFacts, TipReceived
from contracts.indicators import AddressIndicator, HashIndicator, Indicators, UrlIndicator
from contracts.vocabulary import AddressRole, HashAlgorithm, Kind, UrlKind

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def received(dice: random.Random) -> TipReceived:
    """One accepted tip of about 1.5 kB with one URL, one hosting address and one hash."""
    name = f"host{dice.getrandbits(24)}.example"
    address = f"{dice.choice((192, 198, 203))}.{dice.randrange(1, 250)}.{dice.randrange(256)}.{dice.randrange(1, 255)}"
    digest = f"{dice.getrandbits(256):064x}"
    url = f"https://{name}/{dice.getrandbits(64):x}"
    indicators = Indicators(
        urls=(UrlIndicator(raw=url, canonical=url, kind=UrlKind.WEB, host=name, domain=name),),
        addresses=(AddressIndicator(raw=address, ip=address, role=AddressRole.HOSTING, port=443),),
        hashes=(HashIndicator(algorithm=HashAlgorithm.SHA256, value=digest, raw=digest),),
    )
    facts = TipFacts(
        kind=Kind.CSAM,
        observed_at=NOW,
        url_count=1,
        address_roles=(AddressRole.HOSTING,),
        hash_count=1,
        has_narrative=True,
        fingerprints=(f"{dice.getrandbits(64):016x}", f"{dice.getrandbits(64):016x}"),
    )
    return TipReceived(
        tip_id=uuid.UUID(int=dice.getrandbits(128), version=4),
        revision=1,
        group_id=f"{dice.getrandbits(128):032x}",
        partner="ecpat-se",
        reference=f"B-{dice.getrandbits(48):x}",
        received_at=NOW,
        facts=facts,
        content=Content(indicators=indicators, narrative="neutral invented text " * 14),
    )


def received_bytes(count: int, seed: int = 7) -> list[tuple[bytes, bytes]]:
    """*count* pairs of key and value for ``tips-received``."""
    dice = random.Random(seed)
    tips = (received(dice) for _ in range(count))
    return [(tip.group_id.encode(), orjson.dumps(tip.model_dump(mode="json", by_alias=True))) for tip in tips]


def submission(index: int, run: str) -> dict[str, object]:
    """One submission on a target of its own, hosted in a documentation range."""
    return {
        "schema": "tip-submission/1",
        "reference": f"{run}-{index}",
        "kind": "csam",
        "urls": [f"https://host{index}.{run}.example/page"],
        "addresses": [{"ip": f"192.0.2.{index % 254 + 1}", "role": "hosting"}],
        "assessment": {"status": "baseline"},
        "narrative": "neutral invented text",
    }
