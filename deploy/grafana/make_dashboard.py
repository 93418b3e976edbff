"""
Writes ``dashboards/mesh.json``: one page, top to bottom, every panel's title is the question it answers.

The tests parse every expression and hold its metrics against contracts/telemetry.py. No Grafana could be had
where this was made: the page was checked statically, not looked at.
"""

# ruff: noqa: E501, ANN401, INP001 - a table of panels; a program of its own

import json
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("dashboards") / "mesh.json"
SOURCE = {"type": "prometheus", "uid": "prometheus"}
Panel = dict[str, Any]
Query = tuple[str, str]
"""Expression and legend."""

RED_ABOVE_0 = [{"color": "green", "value": None}, {"color": "red", "value": 1}]
RED_ABOVE_60 = [{"color": "green", "value": None}, {"color": "orange", "value": 1}, {"color": "red", "value": 60}]


def _panel(
    kind: str, title: str, queries: list[Query], *, unit: str = "short", instant: bool = False, **more: Any
) -> Panel:
    targets = [
        {
            "refId": chr(65 + n),
            "datasource": SOURCE,
            "expr": expr,
            "legendFormat": legend,
            "exemplar": "bucket" in expr,
            "instant": instant,
            "range": not instant,
        }
        for n, (expr, legend) in enumerate(queries)
    ]
    defaults = {"unit": unit, "min": 0} | more.pop("defaults", {})
    return {
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
    } | more


def number(title: str, expr: str, *, steps: list[dict[str, Any]], unit: str = "short") -> Panel:
    """One big number that turns red."""
    thresholds = {"thresholds": {"mode": "absolute", "steps": steps}}
    options = {"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
    return _panel("stat", title, [(expr, "")], unit=unit, instant=True, defaults=thresholds, options=options)


def graph(title: str, *queries: Query, unit: str = "short") -> Panel:
    """Lines over time."""
    return _panel(
        "timeseries",
        title,
        list(queries),
        unit=unit,
        options={"legend": {"displayMode": "table", "placement": "bottom"}},
    )


def table(title: str, *queries: Query) -> Panel:
    """The state now, a row for each set of labels."""
    made = _panel("table", title, list(queries), instant=True, transformations=[{"id": "merge", "options": {}}])
    for target in made["targets"]:
        target["format"] = "table"
    return made


ROWS: list[tuple[int, list[Panel]]] = [
    (5, [
        number("Is any tip unaccounted for?", "max(vidare_reconcile_unaccounted)", steps=RED_ABOVE_0),
        number("How long has an urgent tip waited?", 'max(vidare_consumer_lag_seconds{topic=~".*-urgent"})', steps=RED_ABOVE_60, unit="s"),
        number("How many referrals are parked?", "sum(vidare_parked_referrals)", steps=[{"color": "blue", "value": None}]),
        number("Was any referral doubled?", "max(vidare_reconcile_duplicates)", steps=RED_ABOVE_0),
    ]),
    (8, [
        graph("Do the books balance? (tips by state)", ("max by (state) (vidare_reconcile_tips)", "{{state}}")),
        graph("What comes in and goes out a minute?",
              ('60 * sum(rate(vidare_messages_consumed_total{hop="intake"}[1m]))', "in"),
              ('60 * sum(rate(vidare_messages_sent_total{topic=~"referrals-routed.*"}[1m]))', "routed"),
              ('60 * sum(rate(vidare_delivery_attempts_total{end="delivered"}[1m]))', "delivered"),
              ("60 * sum(rate(vidare_refusals_total[1m]))", "refused"),
              ("60 * sum(rate(vidare_dead_letters_total[1m]))", "dead letters")),
    ]),
    (8, [
        graph("How old is a tip when it is routed, delivered, acknowledged? (p50)",
              ("histogram_quantile(0.5, sum by (le, to, lane) (rate(vidare_tip_age_seconds_bucket[5m])))", "{{to}} {{lane}}"), unit="s"),
        graph("And the slowest in a hundred? (p99)",
              ("histogram_quantile(0.99, sum by (le, to, lane) (rate(vidare_tip_age_seconds_bucket[5m])))", "{{to}} {{lane}}"), unit="s"),
    ]),
    (8, [
        graph("How much does each hop work?", ("sum by (hop) (rate(vidare_messages_consumed_total[1m]))", "{{hop}}"), unit="ops"),
        graph("How often does a hop end in the middle of its work?", ("sum by (hop) (increase(vidare_crashes_total[15m]))", "{{hop}}")),
        graph("How long does a decision take? (p99)", ("histogram_quantile(0.99, sum by (le, hop) (rate(vidare_process_duration_seconds_bucket[5m])))", "{{hop}}"), unit="s"),
        graph("How long does a commit take? (p99)", ("histogram_quantile(0.99, sum by (le, hop) (rate(vidare_transaction_duration_seconds_bucket[5m])))", "{{hop}}"), unit="s"),
    ]),
    (8, [
        graph("How many records wait?", ("sum by (hop, topic) (vidare_consumer_lag_records)", "{{hop}} {{topic}}")),
        graph("How long has the oldest waited?", ("max by (hop, topic) (vidare_consumer_lag_seconds)", "{{hop}} {{topic}}"), unit="s"),
        graph("Do tasks move about, or wait?",
              ("sum by (hop) (increase(vidare_rebalances_total[5m]))", "{{hop}} moved"),
              ('sum by (hop, state) (vidare_tasks{state!="ready"})', "{{hop}} {{state}}")),
    ]),
    (10, [
        table("How is each agency?",
              ("max by (agency) (vidare_breaker_state)", "breaker"),
              ("max by (agency) (vidare_agency_paused)", "paused"),
              ("sum by (agency) (vidare_backlog_referrals)", "backlog"),
              ("max by (agency) (vidare_backlog_oldest_seconds)", "oldest (s)"),
              ("sum by (agency) (vidare_parked_referrals)", "parked"),
              ("sum by (agency) (increase(vidare_escalations_total[1d]))", "escalations in a day"),
              ("max by (agency) (vidare_feed_documents)", "feed number")),
        graph("Do agencies acknowledge in time? (share of a week's)",
              ('sum by (agency) (increase(vidare_acknowledgements_total{in_time="yes"}[7d])) / sum by (agency) (increase(vidare_acknowledgements_total[7d]))', "{{agency}}"), unit="percentunit"),
        graph("How do attempts end?", ("sum by (channel, end) (rate(vidare_delivery_attempts_total[5m]))", "{{channel}} {{end}}"), unit="ops"),
        graph("What do agencies answer?", ("sum by (status) (increase(vidare_receipts_total[1h]))", "{{status}}")),
    ]),
    (8, [
        table("What was put aside, where and why?", ("sum by (hop, topic, reason) (increase(vidare_dead_letters_total[7d]))", "dead letters")),
        graph("What do we refuse?", ("sum by (reason) (increase(vidare_refusals_total[1h]))", "{{reason}}")),
        graph("How old are the databases?", ("max by (source) (vidare_geodata_age_seconds)", "{{source}}"), unit="s"),
        graph("Is telemetry whole?", ("sum by (reason) (increase(vidare_spans_dropped_total[15m]))", "dropped: {{reason}}"),
              ("sum by (kind) (increase(vidare_telemetry_unlisted_total[15m]))", "left out: {{kind}}"),
              ("sum(increase(vidare_trace_bad_headers_total[15m]))", "bad trace headers")),
    ]),
]  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Lay the rows out and number the panels."""
    panels, y = [], 0
    for height, row in ROWS:
        width = 24 // len(row)
        for n, panel in enumerate(row):
            panels.append({"id": len(panels) + 1, "gridPos": {"h": height, "w": width, "x": n * width, "y": y}} | panel)
        y += height
    return {
        "uid": "vidare-mesh", "title": "Vidare", "schemaVersion": 39, "version": 1, "editable": False, "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"}, "timezone": "utc", "tags": ["vidare"], "templating": {"list": []},
        "annotations": {"list": []}, "panels": panels,
    }  # fmt: skip


def text() -> str:
    """Return the file's text."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    OUT.write_text(text())
