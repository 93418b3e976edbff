"""``vidare locate``: evidence and verdict for one address or URL, offline; nothing is stored."""

import time
from datetime import UTC, date, datetime
from typing import Any

from services.chassis.errors import Misconfigured, Unavailable
from services.chassis.settings import Settings
from services.cli import output
from services.geolocate.geodata import Geodata
from services.geolocate.lookup import locate_text
from services.geolocate.names import resolver_of

CREDIT = "IP Geolocation by DB-IP (https://db-ip.com); other sources: services/geolocate/data/NOTICE.md"
_TRIES = 150
"""Looks for an answer of the resolver, which gives up by itself before that."""


def run(settings: Settings, text: str, *, json: bool = False) -> int:
    """
    Print where *text* points.

    Raises:
        Misconfigured: There is no database.
    """
    geodata = Geodata.of(settings)
    if not geodata.ready and geodata.left_out:
        output.note(
            "only synthetic databases here, and VIDARE_TEST_NETWORKS is off: nothing can be said of any country"
        )
    elif not geodata.ready:
        raise Misconfigured(
            f"{settings.geodata_folder}: no usable database; run 'vidare geodata update' or set VIDARE_GEODATA"
        )
    found = _located(settings, geodata, text, datetime.now(UTC).date())
    if json:
        output.as_json(found)
    else:
        _print(found)
    return 0


def _located(settings: Settings, geodata: Geodata, text: str, today: date) -> dict[str, Any]:
    resolver = resolver_of(settings)
    if resolver is None:
        return locate_text(geodata, text, today=today)
    for _ in range(_TRIES):
        try:
            return locate_text(geodata, text, today=today, resolver=resolver)
        except Unavailable as wait:
            time.sleep(wait.retry_after.total_seconds())
    return locate_text(geodata, text, today=today)


def _print(found: dict[str, Any]) -> None:
    output.line(
        f"{found['canonical'] or found['input']}: {found['country'] or 'no country'}, confidence {found['confidence']}"
    )
    if found["candidates"]:
        output.line(f"candidates: {', '.join(found['candidates'])}")
    if found["flags"]:
        output.line(f"flags: {', '.join(found['flags'])}")
    if found["network"]:
        output.line(f"network: AS{found['network']['asn']} {found['network']['name']}")
    if found["evidence"]:
        output.table(("source", "says", "built"), [(e["source"], e["says"], e["built"]) for e in found["evidence"]])
        output.note(CREDIT)
