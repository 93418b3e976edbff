"""What a person does by a command, as the custody log keeps it: who, when, why."""

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson

from contracts import topics
from services.chassis.broker.broker_port import Out
from services.chassis.codec import Envelope, epoch_ms, rfc3339_ms
from services.chassis.errors import Misconfigured
from services.chassis.telemetry.tracecontext import fresh_context

SERVICE = "cli"
LOGIN = "login:"
"""Stands before the name of an account where nobody said who they are."""


@dataclass(frozen=True, slots=True)
class Signed:
    """One act of one person."""

    kind: str
    event: UUID
    by: str
    purpose: str
    at: datetime
    basis: Mapping[str, object] = field(default_factory=dict)


def entry(act: Signed) -> Out:
    """The custody entry of *act*."""
    at = rfc3339_ms(act.at)
    document = {
        "schema": "custody/1", "v": 1, "kind": act.kind, "event": str(act.event), "at": at, "service": SERVICE,
        "actor": actor_of(act.by), "purpose": act.purpose, "basis": act.basis, "tally": {}, "out": [],
    }  # fmt: skip
    trace = fresh_context(act.event).header
    headers = Envelope(SERVICE).headers("custody/1", str(act.event).encode(), at.encode(), trace)
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return Out(topics.CUSTODY, 0, None, body, headers, epoch_ms(act.at))


def actor_of(by: str) -> str:
    """Who acts, in the words of the custody log: ``person:`` who was named, ``login:`` whom nobody named."""
    return by if by.startswith(LOGIN) else f"person:{by}"


def whoever(by: str | None) -> str:
    """
    Return *by*, else the account on this machine, marked as one: several people may share it.

    Raises:
        Misconfigured: Nobody can be named.
    """
    if by and by.strip():
        return by.strip()
    try:
        return LOGIN + getpass.getuser()
    except (OSError, KeyError) as error:
        raise Misconfigured("nobody can be named for the custody log: say who you are with --by NAME") from error
