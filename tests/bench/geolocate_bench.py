"""
What locating costs: ``python -m tests.bench.geolocate_bench``. Prints microseconds of CPU; compare ratios, not runs.

    four databases    one look-up in each of the shipped files
    whole look-up     with reserved ranges, operators and evidence, nothing remembered
    remembered        the same address again
    decision          the hop's whole decision from bytes to bytes, one URL and one address, every address new
    decision again    the same of addresses that were asked before
    parse a URL       with its registrable domain
"""

import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import TypeVar
from uuid import UUID

from contracts.events import Content, TipFacts, TipReceived
from contracts.indicators import AddressIndicator, Indicators
from contracts.vocabulary import AddressRole, Kind
from services.chassis.hop import Input, Record
from services.chassis.store.state import MemoryStore, Overlay
from services.geolocate.geodata import SHIPPED, Geodata
from services.geolocate.hop import GeolocateHop
from services.indicators.urls import parse_url

ROUNDS = 20_000
NOW = datetime(2026, 11, 22, tzinfo=UTC)
T = TypeVar("T")


def cost_us(work: Callable[[T], object], over: Sequence[T]) -> float:
    """Microseconds of CPU of one call."""
    began = time.process_time()
    for one in over:
        work(one)
    return (time.process_time() - began) / len(over) * 1e6


def received(number: int, ip: str) -> Input:
    """A received tip, as it lies in its topic."""
    indicators = Indicators(
        urls=(parse_url(f"https://page{number}.example/x"),),
        addresses=(AddressIndicator(raw=ip, ip=ip, role=AddressRole.HOSTING),),
    )
    tip = TipReceived(
        tip_id=UUID(int=number),
        revision=1,
        group_id="0" * 32,
        partner="ecpat-se",
        reference=f"E-{number}",
        received_at=NOW,
        facts=TipFacts(kind=Kind.CSAM),
        content=Content(indicators=indicators, narrative="neutral words " * 20),
    )
    body = tip.model_dump_json(by_alias=True).encode()
    return Input(UUID(int=number), NOW, record=Record("tips-received", 0, number, b"", body, (), 0))


def main() -> None:
    """Measure and print."""
    geodata, view = Geodata(lambda: SHIPPED), Overlay(MemoryStore())
    sources = [source.country or source.network for source in geodata.current.sources]
    draw = random.Random(7)
    ips = [str(IPv4Address(draw.getrandbits(32))) for _ in range(ROUNDS)]
    others = Geodata(lambda: SHIPPED)  # a set of its own: the look-ups measured before it are unknown to it
    hop = GeolocateHop(lambda: others.current, {}, partitions=1)
    tips = [received(number, ip) for number, ip in enumerate(ips[:5_000])]
    for number, ip in enumerate(ips[5_000:]):
        hop.decide(received(number, ip), view)  # a process that has run for a while, and never saw the first 5,000
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)  # as the runner sets it
    figures = {
        "four databases": cost_us(lambda ip: [ask(ip) for ask in sources if ask], ips),
        "whole look-up": cost_us(geodata.current._look_up, ips),
        "filling memory": cost_us(geodata.look_up, ips),
        "remembered": cost_us(geodata.look_up, ips),
        "decision": cost_us(lambda given: hop.decide(given, view), tips),
        "decision again": cost_us(lambda given: hop.decide(given, view), tips),
        "parse a URL": cost_us(parse_url, [f"https://page{n}.example/a?id={n}" for n in range(5_000)]),
    }
    for name, figure in figures.items():
        sys.stdout.write(f"{name:16} {figure:8.2f} us\n")


if __name__ == "__main__":
    main()
