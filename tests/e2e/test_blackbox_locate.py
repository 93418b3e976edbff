"""`vidare locate` from outside: every spelling of an address or URL, with databases of a stranger's making."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import blackbox
from tests.support.blackbox import environment, vidare

CASES = blackbox.read_cases("locate.jsonl")
KEYS = ("input", "canonical", "country", "confidence", "candidates", "evidence", "network", "flags")
MANY = """
import io, json, sys
from services.cli.__main__ import main
for text in json.load(sys.stdin):
    out, sys.argv = sys.stdout, ["vidare", "locate", "--json", "--", text]
    sys.stdout = io.TextIOWrapper(io.BytesIO())
    try:
        main()
    except SystemExit as ended:
        found, sys.stdout = sys.stdout.buffer.getvalue(), out
        print(json.dumps([ended.code or 0, json.loads(found or "null")]), flush=True)
"""
"""The command's own entry, once for each text: a process of its own for each would take minutes."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Environments by name: three synthetic sources, one, the same unasked, MaxMind's files, the shipped ones."""
    base = tmp_path_factory.mktemp("geodata")
    home = base / "home"
    one = str(blackbox.one_voice(base / "one"))
    return {
        "three": environment(home, geodata=str(blackbox.three_voices(base / "three")), test_networks="on"),
        "one": environment(home, geodata=one, test_networks="on"),
        "off": environment(home, geodata=one),
        "maxmind": environment(home, geodata=str(blackbox.maxmind_folder(base / "maxmind"))),
        "shipped": environment(home),
    }


@pytest.fixture(scope="module")
def told(worlds: dict[str, dict[str, str]]) -> dict[tuple[str, str], Any]:
    """Exit code and answer of every case, by world and text."""
    found: dict[tuple[str, str], Any] = {}
    for world, env in worlds.items():
        texts = [case["input"] for case in CASES if case["world"] == world]
        done = subprocess.run(
            [sys.executable, "-c", MANY],
            input=json.dumps(texts),
            env=env,
            cwd=blackbox.ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        found |= {(world, text): answer for text, answer in zip(texts, answers, strict=True)}
    return found


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.get('edge', 'any')}-{case['world']}-{ascii(case['input'])[1:60]}"
)
def test_an_address_is_placed_by_evidence_alone(case: dict[str, Any], told: dict[tuple[str, str], Any]) -> None:
    """Country, confidence, candidates, canonical form and flags are those of the texts; no spelling is guessed."""
    code, answer = told[case["world"], case["input"]]
    expect = dict(case["expect"])
    assert code == 0
    assert tuple(answer) == KEYS
    assert answer["input"] == case["input"]
    assert set(expect.pop("flags_has", ())) <= set(answer["flags"])
    says = [one["says"] for one in answer["evidence"]]
    assert says == expect.pop("says", says)
    sources = [one["source"] for one in answer["evidence"]]
    assert sources == expect.pop("sources", sources)
    assert all(tuple(one) == ("source", "says", "built") for one in answer["evidence"])
    assert answer["network"] is None or tuple(answer["network"]) == ("asn", "name")
    assert {**answer, "flags": sorted(answer["flags"])} == {**answer, "flags": sorted(answer["flags"]), **expect}


def test_one_process_answers_as_a_person_runs_it(worlds: dict[str, dict[str, str]]) -> None:
    """The command by itself prints the same JSON and ends with 0; without an address it is wrong use."""
    done = vidare(["locate", "192.0.2.1", "--json"], worlds["three"])
    assert done.returncode == 0
    assert json.loads(done.stdout)["country"] == "NL"
    assert vidare(["locate"], worlds["three"]).returncode == 2


def test_without_any_database_it_says_so(worlds: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """No usable database, or no such folder, is bad configuration: 78 with the folder's name."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = vidare(["locate", "8.8.8.8"], worlds["off"] | {"VIDARE_GEODATA": str(folder)})
        assert done.returncode == 78
        assert str(folder) in done.stderr.decode()


def test_invented_countries_never_reach_a_real_agency(worlds: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """Test networks are refused where an agency's channel leaves this machine."""
    live = blackbox.record("hotline-nl", "hotline", "NL", "hotline").replace(
        'channels = ["topic"]\n',
        'channels = ["webhook"]\nwebhook = { url = "https://agency.example/in", secret = "env:X", timeout_s = 15 }\n',
    )
    file = tmp_path / "agencies.toml"
    file.write_text(live, encoding="utf-8")
    done = vidare(["locate", "192.0.2.1"], worlds["three"] | {"VIDARE_AGENCIES": str(file)})
    assert done.returncode == 78
    assert "hotline-nl" in done.stderr.decode()
