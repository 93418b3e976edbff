"""A stranger's world for the command line: databases, agencies and cases of their own making, and one call for many."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "e2e" / "cases"
COMMAND = (sys.executable, "-m", "services.cli")

_ALL_THREE = dict(
    zip(
        (f"192.0.2.{first}/28" for first in range(0, 256, 16)),
        ("NL", "SE", "DE", "VN", "US", "TW", "KP", "XK", "GI", "FO", "PR", "HK", "AX", "JE", "RE", "NO"),
        strict=True,
    )
) | {
    "198.51.100.80/28": "EU",
    "198.51.100.96/28": "T1",
    "198.51.100.112/28": "nl",
    "198.51.100.128/28": "US",
    "198.51.100.176/28": "FI",
    "198.51.100.192/28": "TH",
    "198.51.100.208/28": "RU",
    "2001:db8:1::/48": "NL",
    "2001:db8:2::/48": "AP",
    "2001:db8:3::/48": "A1",
    "2001:db8:4::/48": "XX",
    "2001:db8:5::/48": "",
}
"""Where every source says the same."""

_EACH = {
    "198.51.100.0/28": ("NL", "NL", "SC"),
    "198.51.100.16/28": ("NL", "DE", "SC"),
    "198.51.100.32/28": ("NL", None, None),
    "198.51.100.48/28": ("SE", "SE", None),
    "198.51.100.64/28": ("NL", "DE", None),
    "198.51.100.144/28": ("SE", None, None),
    "198.51.100.160/28": ("EU", "NL", "NL"),
    "198.51.100.224/28": ("SE", "SE", "NO"),
    "198.51.100.240/28": ("SE", "NO", "DE"),
}
"""Where they differ: ipfire, dbip, whois."""

_NUMBERS = {"198.51.100.128/28": 13335, "192.0.2.0/28": 64500}
_REAL = {"8.0.0.0/9": "US", "193.0.0.0/21": "NL"}


def flat(code: str) -> dict[str, Any]:
    """A record as small packages lay it out."""
    return {"country_code": code}


def maxmind(code: str) -> dict[str, Any]:
    """A record as MaxMind lays it out."""
    return {"country": {"iso_code": code, "names": {"en": code}}, "registered_country": {"iso_code": "GB"}}


def number(asn: int) -> dict[str, Any]:
    """A network operator as MaxMind lays it out."""
    return {"autonomous_system_number": asn, "autonomous_system_organization": f"Net {asn}"}


def database(path: Path, kind: str, rows: Mapping[str, Any]) -> None:
    """Write a database of the type *kind* with the public writer."""
    made = MMDBWriter(6, kind, languages=["en"], description={"en": "made up"}, ipv4_compatible=True)
    for block, value in rows.items():
        made.insert_network(IPSet([block]), value)
    made.to_db_file(str(path))


def three_voices(folder: Path) -> Path:
    """Three synthetic country databases that mostly agree, and one of network operators."""
    folder.mkdir(parents=True)
    for index, name in enumerate(("ipfire", "dbip", "whois")):
        said = _ALL_THREE | {block: each[index] for block, each in _EACH.items()}
        database(folder / f"{name}.mmdb", "Vidare-Test-Country", {b: flat(c) for b, c in said.items() if c is not None})
    database(folder / "asn.mmdb", "Vidare-Test-ASN", {b: number(n) for b, n in _NUMBERS.items()})
    return folder


def one_voice(folder: Path) -> Path:
    """One synthetic database in MaxMind's layout."""
    folder.mkdir(parents=True)
    database(folder / "any-name.mmdb", "Vidare-Test-Anything", {b: maxmind(c) for b, c in _ALL_THREE.items()})
    return folder


def maxmind_folder(folder: Path) -> Path:
    """What a customer of MaxMind has, with a torn file beside it."""
    folder.mkdir(parents=True)
    database(folder / "GeoLite2-Country.mmdb", "GeoLite2-Country", {b: maxmind(c) for b, c in _REAL.items()})
    database(folder / "GeoLite2-ASN.mmdb", "GeoLite2-ASN", {"193.0.0.0/21": number(3333)})
    (folder / "torn.mmdb").write_bytes((folder / "GeoLite2-Country.mmdb").read_bytes()[:900])
    return folder


def record(agency: str, kind: str, country: str | None, profile: str, extra: str = "") -> str:
    """One onboarding record that delivers to a topic."""
    where = f'country = "{country}"\n' if country else ""
    return (
        f'[[agency]]\nid = "{agency}"\nname = "Made up"\nkind = "{kind}"\n{where}profile = "{profile}"\n'
        f'basis = "test"\nchannels = ["topic"]\ntopic = {{ }}\n{extra}\n'
    )


def agencies_of(home: str) -> str:
    """What a small deployment in another country onboards first."""
    low = home.lower()
    return "".join(
        (
            record(f"police-{low}", "police", home, "police"),
            record(f"interpol-ncb-{low}", "interpol", None, "interpol-ncb"),
            record("interpol-iccam", "interpol", None, "interpol-iccam"),
            record("europol", "europol", None, "police"),
            record(f"takedown-{low}", "takedown", home, "provider"),
            record("hotline-se", "hotline", "SE", "hotline"),
            record("hotline-dk", "hotline", "DK", "hotline"),
        )
    )


def agencies_with_gaps() -> str:
    """Sweden with few partners: one country and one hotline under hold, one hotline inactive, no Europol."""
    return 'hold_countries = ["VN"]\n' + "".join(
        (
            record("police-se", "police", "SE", "police"),
            record("interpol-ncb-se", "interpol", None, "interpol-ncb"),
            record("interpol-iccam", "interpol", None, "interpol-iccam"),
            record("hotline-nl", "hotline", "NL", "hotline", "hold = true"),
            record("hotline-fi", "hotline", "FI", "hotline", "active = false"),
        )
    )


def environment(home: Path, **settings: str) -> dict[str, str]:
    """A clean environment: nothing of Vidare but *settings* and a home folder of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VIDARE_")}
    return inherited | {"VIDARE_HOME": str(home)} | {f"VIDARE_{name.upper()}": v for name, v in settings.items()}


def vidare(
    args: Sequence[str], env: Mapping[str, str], given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command once, as anybody would."""
    return subprocess.run((*COMMAND, *args), input=given, env=env, cwd=ROOT, capture_output=True, timeout=100)  # noqa: PLW1510


def read_cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file, in order."""
    return [json.loads(line) for line in (CASES / name).read_text(encoding="utf-8").splitlines() if line.strip()]


def lines(submissions: Iterable[Mapping[str, Any]]) -> bytes:
    """*submissions* as JSONL."""
    return "".join(json.dumps(one) + "\n" for one in submissions).encode()


def dated(value: Any, now: datetime | None = None) -> Any:
    """*value* with every ``@now+5d`` and ``@now-2h`` in it replaced by that time."""
    moment = now or datetime.now(UTC)
    if isinstance(value, list):
        return [dated(item, moment) for item in value]
    if isinstance(value, dict):
        return {key: dated(item, moment) for key, item in value.items()}
    found = re.fullmatch(r"@now([+-]\d+)([hd])", value) if isinstance(value, str) else None
    if found is None:
        return value
    return (moment + timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))).isoformat()
