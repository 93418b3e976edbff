"""``vidare export cdn``: the open referrals of a proxy operator's desk, as the reports that its form takes."""

import asyncio
from pathlib import Path

from contracts.onboarding import Agency
from contracts.topics import AGENCY, DELIVERIES
from contracts.vocabulary import AgencyKind
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import load_agencies
from services.chassis.settings import Settings
from services.cli import output
from services.cli.context import load_settings, with_broker
from services.cli.kafka_io import all_records, connected
from services.cli.wronguse import WrongUse
from services.notifier.channels.pull import PullView
from services.notifier.documents.contact import contact_of
from services.notifier.documents.exporting import Telling, as_csv, as_json, batch

EVERY = 1_000_000


def cdn(
    agency: str, *, csv: Path | None = None, tell_host: bool = False, test: bool = False, json: bool = False
) -> int:
    """
    Print the open referrals of *agency* as reports.

    Raises:
        WrongUse: It is no proxy operator or provider of ``agencies.toml``.
        Misconfigured: Its feed is sealed, nobody is named as sender, or no broker runs.
    """
    settings = load_settings()
    record = _provider(settings, agency)
    sender = contact_of(settings)
    documents = asyncio.run(_open(with_broker(settings), record.id))
    made = batch(documents, test=test)
    telling: Telling = "send-anon" if tell_host else "none"
    if csv is not None:
        csv.touch(mode=0o600)
        csv.write_text(as_csv(made.reports), encoding="utf-8", newline="")
    if json:
        output.as_json(as_json(made, sender, host=telling))
        return 0
    output.table(
        ("report", "hostname", "urls", "referrals"),
        [(n, each.host, len(each.urls), len(each.referrals)) for n, each in enumerate(made.reports, 1)],
    )
    left_out = ", ".join(f"{count} {reason}" for reason, count in made.left_out.items())
    output.note(f"{len(made.reports)} reports; --json has the forms" + (f"; left out: {left_out}" if left_out else ""))
    return 0


def _provider(settings: Settings, name: str) -> Agency:
    """The record of *name*: exactly this id, of the right kind, with a feed that can be read here."""
    agencies = load_agencies(settings)
    record = agencies.get(name)
    providers = [each.id for each in agencies.of_kind(AgencyKind.PROVIDER)]
    if record is None or record.kind is not AgencyKind.PROVIDER:
        raise WrongUse(f"--agency must be a provider of agencies.toml: {', '.join(providers) or 'there is none'}")
    if record.encrypt_to is not None:
        raise Misconfigured(
            f"agencies.toml, agency {record.id!r}: its feed is sealed to its own key (encrypt_to), so only the agency "
            "can read it; it takes its referrals itself"
        )
    return record


async def _open(settings: Settings, agency: str) -> tuple[bytes, ...]:
    """The documents of the agency's feed that it has not answered, in the order of the feed."""
    view = PullView()
    try:
        async with connected(settings.kafka or "") as broker:
            for topic in (AGENCY + agency, DELIVERIES):
                async for record in all_records(broker, topic):
                    view.apply(record)
        return view.page(agency, limit=EVERY).documents
    finally:
        view.close()
