"""
The shipped demo set of agencies, derived from the registry so that it never drifts from it.

``python -m services.router.geography.shipped > services/router/agencies.toml`` writes it
anew. Every channel stays on this machine, and every name says so.
"""

import sys
from collections.abc import Iterator

from services.chassis.settings import ROOT
from services.router.geography.registry import Registry, hotline_ids, load_registry

HOME = "SE"
POLICE = ("SE", "NO", "DK", "FI")
MARK = " (demo endpoint)"
WEBHOOK = "http://127.0.0.1:8190/agencies/"
SECRET = "env:VIDARE_DEMO_WEBHOOK_SECRET"  # noqa: S105 - a reference, not a secret
PUSHED = ("police-se", "hotline-nl", "hotline-de-", "interpol-iccam", "takedown-se")
"""Agencies that are also pushed to; a trailing hyphen means every id that begins so."""

MAILED = {"hotline-de-fsm": ("webhook", "email", "topic"), "police-fi": ("email", "topic")}
"""Agencies that are also written to, and the order of their channels: as a fallback, and first of all."""
MAIL = "referrals@vidare.example"

REGIONS = {
    "Nord": (9, ("Jämtlands", "Norrbottens", "Västerbottens", "Västernorrlands")),
    "Mitt": (9, ("Gävleborgs", "Uppsala", "Västmanlands")),
    "Stockholm": (23, ("Stockholms", "Gotlands")),
    "Öst": (11, ("Jönköpings", "Södermanlands", "Östergötlands")),
    "Väst": (19, ("Hallands", "Västra Götalands")),
    "Syd": (18, ("Blekinge", "Kalmar", "Kronobergs", "Skåne")),
    "Bergslagen": (11, ("Dalarnas", "Värmlands", "Örebro")),
}
"""Swedish police regions with their counties; the shares are invented: real ones must come from the police."""
COUNTIES = "# Counties by region: Swedish National Council for Crime Prevention (bra.se), 12 February 2015."

HEAD = """\
# Who really receives: onboarding records of the shipped demo set (home SE).
# Every channel ends on this machine. Written by services/router/geography/shipped.py from registry.csv. Do not edit:
# name a file of your own in VIDARE_AGENCIES.

hold_countries = []
"""

OTHERS = (
    (
        "interpol-ncb-se",
        "Interpol, National Central Bureau Stockholm",
        "interpol",
        "SE",
        "interpol-ncb",
        "police cooperation through the own bureau",
    ),
    (
        "interpol-iccam",
        "Interpol, content references by way of ICCAM",
        "interpol",
        None,
        "interpol-iccam",
        "content references of INHOPE members",
    ),
    ("europol", "Europol", "europol", None, "police", "clearing house for cases of several member states"),
    (
        "cdn-cloudflare",
        "Cloudflare child safety desk",
        "provider",
        "US",
        "provider",
        "notice to the operator of a proxy",
    ),
    ("takedown-se", "Own takedown desk", "takedown", "SE", "hotline", "notice to providers in the home country"),
    ("crawler-arachnid", "Project Arachnid", "crawler", "CA", "hotline", "list of addresses for the crawler"),
)
"""id, name, kind, country, profile, basis of what no registry row names."""


def records(registry: Registry) -> Iterator[str]:
    """Every record as a table of TOML, hotlines first."""
    for row in registry.rows.values():
        for agency, name in zip(hotline_ids(row.iso2, row.hotlines), row.hotlines, strict=True):
            yield _record((agency, name, "hotline", row.iso2, "hotline", "INHOPE member or national hotline"))
    for iso2 in POLICE:
        name = registry[iso2].police or iso2
        yield _record((f"police-{iso2.lower()}", name, "police", iso2, "police", "competent national authority"))
    for other in OTHERS:
        yield _record(other)


def text(registry: Registry) -> str:
    """The whole file."""
    return "\n".join([HEAD, *records(registry)])


def _record(said: tuple[str, str, str, str | None, str, str]) -> str:
    agency, name, kind, country, profile, basis = said
    pushed = any(agency == known or (known.endswith("-") and agency.startswith(known)) for known in PUSHED)
    lines = ["[[agency]]", f'id = "{agency}"', f'name = "{name}{MARK}"', f'kind = "{kind}"']
    if country:
        lines.append(f'country = "{country}"')
    lines += [f'profile = "{profile}"', f'basis = "{basis}"']
    channels = MAILED.get(agency) or (("webhook", "topic") if pushed else ("topic",))
    named = ", ".join(f'"{channel}"' for channel in channels)
    lines.append(f"channels = [{named}]")
    if pushed:
        lines.append(f'webhook = {{ url = "{WEBHOOK}{agency}", secret = "{SECRET}", timeout_s = 15 }}')
    if agency in MAILED:
        lines.append(
            f'email = {{ to = "desk@{agency}.example", from = "{MAIL}", host = "127.0.0.1", port = 8125, '
            "starttls = false }"
        )
    lines.append("topic = {}")
    lines.append(f'token = "env:VIDARE_TOKEN_{agency.upper().replace("-", "_")}"')
    if agency == f"police-{HOME.lower()}":
        lines += [COUNTIES, "regions = [", *(_region(name, *REGIONS[name]) for name in REGIONS), "]"]
    return "\n".join([*lines, ""])


def _region(name: str, weight: int, counties: tuple[str, ...]) -> str:
    places = ", ".join(f'"{county} län"' for county in counties)
    return f'  {{ name = "{name}", weight = {weight}, places = [{places}] }},'


if __name__ == "__main__":
    sys.stdout.write(text(load_registry(ROOT / "services" / "router" / "registry.csv")))
