"""Submissions for the human desk and for rulebooks: addresses of documentation ranges in invented countries."""

from typing import Any

from tests.support.geodata import NAMED


def hosted(country: str, reference: str, **more: Any) -> dict[str, Any]:
    """A submission about one address in *country*, on a target of its own."""
    return {
        "schema": "tip-submission/1",
        "reference": reference,
        "kind": "csam",
        "urls": [f"https://{reference.lower()}.example/page"],
        "addresses": [{"ip": NAMED[country], "role": "hosting"}],
        "narrative": "neutral invented text",
        **more,
    }


URGENT: dict[str, Any] = {"urgency": {"immediate_danger": True, "reason": "neutral invented reason"}}
BASELINE: dict[str, Any] = {"assessment": {"status": "baseline"}}
