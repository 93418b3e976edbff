"""The lines of ``deploy/demo/tips.jsonl`` as records for the inboxes."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from contracts.topics import inbox
from services.chassis.broker.broker_port import Out
from services.chassis.errors import Misconfigured
from services.chassis.settings import ROOT
from services.cli.kafka_io import now_ms

TIPS = ROOT / "deploy" / "demo" / "tips.jsonl"


@dataclass(frozen=True, slots=True)
class DemoTip:
    """One line: who sends what, and why it is in the demo."""

    partner: str
    urgent: bool
    note: str
    reference: str | None
    value: bytes

    @property
    def record(self) -> Out:
        """The record, as a partner's own client writes it: no key, no headers."""
        return Out(inbox(self.partner, urgent=self.urgent), 0, None, self.value, [], now_ms())


def read_tips(path: Path = TIPS) -> list[DemoTip]:
    """
    Read every line of *path*.

    Raises:
        Misconfigured: A line is not in the form of the demo's file; names it.
    """
    made = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            made.append(_tip(orjson.loads(text)))
        except (KeyError, ValueError, TypeError):
            msg = f"{path}:{number}: a line needs `as` and one of `submission`, `raw_base64`"
            raise Misconfigured(msg) from None
    return made


def _tip(line: dict[str, Any]) -> DemoTip:
    submission = line.get("submission")
    if submission is None:
        value = base64.b64decode(line["raw_base64"]) * int(line.get("repeat", 1))
    else:
        value = orjson.dumps(submission)
    reference = submission.get("reference") if submission else None
    return DemoTip(line["as"], line.get("lane") == "urgent", line.get("note", ""), reference, value)
