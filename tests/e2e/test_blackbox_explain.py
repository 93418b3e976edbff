"""`vidare explain` from outside: every rule, triage code and edge case, decided by the command and read as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import blackbox
from tests.support.blackbox import agencies_of, agencies_with_gaps, dated, environment, lines, vidare

CASES = blackbox.read_cases("explain.jsonl")
ACCEPTED = [case for case in CASES if "refusal" not in case["expect"]]
REFUSED = [case for case in CASES if "refusal" in case["expect"]]
KEYS = (
    *("reference", "accepted", "refusal", "tip_id", "group_id", "priority", "priority_reasons", "actionability"),
    *("jurisdiction", "destinations", "later", "suppressed", "px", "why_not"),
)
SPREAD = ("R38-unknown", "R38-abroad", "R38-two-areas")
WHERE = ("hosting", "candidates", "offender", "victim", "place", "flags")
GOOD = {"reference": "G-1", "kind": "csam", "place": {"country": "SE"}}
Told = dict[str, dict[str, Any]]


def _name(case: dict[str, Any]) -> str:
    return str(case["id"])


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Environments by name: the shipped demo set, other home countries, gaps among the agencies, duty services."""
    base = tmp_path_factory.mktemp("worlds")
    book = (blackbox.ROOT / "services/router/rulebook.toml").read_text(encoding="utf-8")
    duty = base / "duty.toml"
    duty.write_text(book.replace("duty_services = []", 'duty_services = ["host.example"]'), encoding="utf-8")
    gaps = base / "gaps.toml"
    gaps.write_text(agencies_with_gaps(), encoding="utf-8")
    common = {"test_networks": "on", "geodata": str(blackbox.three_voices(base / "geodata"))}
    made = {
        "se": environment(base / "home", **common),
        "duty": environment(base / "home", **common, rulebook=str(duty)),
        "own": environment(base / "home", **common, agencies=str(gaps)),
    }
    for country in ("NL", "DE", "DK"):
        file = base / f"{country}.toml"
        file.write_text(agencies_of(country), encoding="utf-8")
        made[country.lower()] = environment(base / "home", **common, country=country, agencies=str(file))
    return made


@pytest.fixture(scope="module")
def told(worlds: dict[str, dict[str, str]]) -> Told:
    """What the command says of every case: one call for each world and sender."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for case in CASES:
        groups.setdefault((case["world"], case["as"]), []).append(case)
    found: Told = {}
    for (world, sender), cases in groups.items():
        done = vidare(["explain", "-", "--as", sender, "--json"], worlds[world], lines(map(_submission, cases)))
        assert done.returncode == 0, done.stderr.decode()
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one["reference"] for one in answers] == [case["id"] for case in cases]
        found |= dict(zip(map(_name, cases), answers, strict=True))
    return found


def _submission(case: dict[str, Any]) -> dict[str, Any]:
    tip = dated(case["tip"])
    if tip.get("urls") == "@1001":
        tip["urls"] = [f"https://host.example/{index}" for index in range(1001)]
    return {"reference": case["id"], **tip}


@pytest.mark.parametrize("case", ACCEPTED, ids=_name)
def test_a_tip_goes_where_the_rules_say(case: dict[str, Any], told: Told) -> None:
    """Destinations with their rules, levels, jurisdiction and what was held back are those of the rule texts."""
    answer, expect = told[case["id"]], case["expect"]
    assert answer["accepted"] is True
    assert {key: _READ[key](answer) for key in expect if key in _READ} == {
        key: sorted(value) if key == "flags" else value for key, value in expect.items() if key in _READ
    }
    rules = {to["id"]: to["rules"] for to in answer["destinations"]}
    for agency, wanted in expect.get("has", {}).items():
        assert agency in rules
        assert wanted is None or rules[agency] == wanted
    assert "one_of" not in expect or len(set(expect["one_of"]) & set(rules)) == 1
    assert not set(expect.get("none_of", ())) & set(rules)
    assert set(expect.get("flags_has", ())) <= set(answer["jurisdiction"]["flags"])
    why_not = json.dumps(answer["why_not"])
    assert all(word in why_not for word in expect.get("why_not_has", ()))
    levels = {to["id"]: to["priority"] for to in answer["destinations"]}
    assert {agency: levels.get(agency) for agency in expect.get("levels", {})} == expect.get("levels", {})
    group = answer["group_id"]
    assert "group_of" not in expect or group == told[expect["group_of"]]["group_id"]
    assert "group_not_of" not in expect or group != told[expect["group_not_of"]]["group_id"]


_READ: dict[str, Callable[[dict[str, Any]], Any]] = {
    "destinations": lambda a: {to["id"]: to["rules"] for to in a["destinations"]},
    "priority": lambda a: a["priority"],
    "reasons": lambda a: a["priority_reasons"],
    "actionability": lambda a: a["actionability"],
    "hosting": lambda a: [[one["country"], one["confidence"]] for one in a["jurisdiction"]["hosting"]],
    "candidates": lambda a: a["jurisdiction"]["candidates"],
    "offender": lambda a: a["jurisdiction"]["offender"],
    "victim": lambda a: a["jurisdiction"]["victim"],
    "place": lambda a: a["jurisdiction"]["place"],
    "flags": lambda a: sorted(a["jurisdiction"]["flags"]),
    "later": lambda a: a["later"],
    "suppressed": lambda a: a["suppressed"],
    "why_not": lambda a: a["why_not"],
    "px": lambda a: a["px"],
}


def _region(answer: dict[str, Any]) -> str | None:
    """The home police's region; ``*`` where a fair share chose one of the seven."""
    region: str | None = next(to["region"] for to in answer["destinations"] if to["id"] == "police-se")
    fair = answer["reference"] in SPREAD and region in {
        *("Nord", "Mitt", "Stockholm", "Öst", "Väst", "Syd", "Bergslagen"),
    }
    return "*" if fair else region


_READ["region"] = _region


@pytest.mark.parametrize("case", REFUSED, ids=_name)
def test_a_refused_line_says_reason_and_pointer_only(case: dict[str, Any], told: Told) -> None:
    """A refusal has the reference, the reason and where it is; nothing is decided."""
    reason, pointer = case["expect"]["refusal"]
    assert told[case["id"]] == {
        "reference": case["id"],
        "accepted": False,
        "refusal": {"reason": reason, "pointer": pointer},
    }


def test_every_answer_has_the_agreed_shape(told: Told) -> None:
    """Keys, types and order of the published JSON hold for every case."""
    for answer in (one for one in told.values() if one["accepted"]):
        assert tuple(answer) == KEYS
        assert tuple(answer["jurisdiction"]) == WHERE
        ids = [to["id"] for to in answer["destinations"]]
        assert ids == sorted(set(ids))
        assert all(tuple(to) == ("id", "rules", "priority", "region") and to["rules"] for to in answer["destinations"])
        assert all(to["rules"] == sorted(set(to["rules"])) for to in answer["destinations"])
        assert all(tuple(one) == ("id", "rule", "after") for one in answer["later"])
        assert all(tuple(one) == ("id", "rule") for one in answer["suppressed"])
        assert all(tuple(one) == ("country", "confidence") for one in answer["jurisdiction"]["hosting"])
        assert 0 <= answer["actionability"] <= 100
        assert not {one["id"] for one in answer["suppressed"]} & set(ids)


def test_a_decision_is_never_empty_without_a_reason(told: Told) -> None:
    """Destinations or `px`, and the priority is the most urgent destination's."""
    for answer in (one for one in told.values() if one["accepted"]):
        levels = [to["priority"] for to in answer["destinations"]]
        assert bool(levels) is (answer["px"] is None)
        assert answer["priority"] == min(levels, default="PX")


def test_one_domain_has_one_hotline(worlds: dict[str, dict[str, str]]) -> None:
    """Of Germany's hotlines a domain always gets the same one, many domains get all, nobody gets a copy (E49)."""
    names = [f"a{index}.example" for index in range(40)]
    common = {"kind": "csam", "addresses": [{"ip": "192.0.2.33", "role": "hosting"}]}
    tips = [
        {"reference": f"{name}/{page}", "urls": [f"https://{page}.{name}/{page}"], **common}
        for name in names
        for page in ("x", "y")
    ]
    done = vidare(["explain", "-", "--as", "ecpat-se", "--json"], worlds["se"], lines(tips))
    chosen: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        answer = json.loads(line)
        (only,) = answer["destinations"]
        chosen.setdefault(answer["reference"].partition("/")[0], set()).add(only["id"])
    assert all(len(hotlines) == 1 for hotlines in chosen.values())
    assert set().union(*chosen.values()) == {"hotline-de-eco", "hotline-de-fsm", "hotline-de-jugendschutz"}


def test_lines_stand_alone_and_keep_their_order(worlds: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """Blank lines are skipped, broken ones are refused in their place, the same tip twice is decided twice."""
    file = tmp_path / "mixed.jsonl"
    good = json.dumps(GOOD).encode()
    file.write_bytes(b"\n".join((good, b"", b"   ", b"not json", b"[]", b"\xff\xfe", good)))
    done = vidare(["explain", str(file), "--as", "ecpat-se", "--json"], worlds["se"])
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [answer["accepted"] for answer in answers] == [True, False, False, False, True]
    assert answers[0] == answers[-1]
    assert [answers[at]["refusal"]["reason"] for at in (1, 3)] == ["not_json", "not_json"]


def test_expect_answers_no_by_exit_code(worlds: dict[str, dict[str, str]]) -> None:
    """`--expect` ends with 0 where the destinations are those, in any order, and with 1 where they differ."""
    call = ["explain", "-", "--as", "ecpat-se", "--json", "--expect"]
    tip = lines([{**GOOD, "people": [{"role": "suspect", "location": "NO"}]}])
    assert vidare([*call, "police-se, police-no"], worlds["se"], tip).returncode == 0
    other = vidare([*call, "police-se,review"], worlds["se"], tip)
    assert other.returncode == 1
    assert b"decided police-no, police-se" in other.stderr


def test_why_not_names_every_rule(worlds: dict[str, dict[str, str]]) -> None:
    """`--why-not` tells of every rule whether they matched, or what failed."""
    done = vidare(["explain", "-", "--as", "ecpat-se", "--why-not", "--json"], worlds["se"], lines([GOOD]))
    rules = {one["id"]: one for one in json.loads(done.stdout)["rules"]}
    assert sorted(rules) == [f"R{number:02}" for number in range(1, 42)]
    assert rules["R03"]["matched"] is True
    assert all(one["failed"] for one in rules.values() if not one["matched"])


@pytest.mark.parametrize(
    ("settings", "file", "says"),
    [
        ({"agencies": "{}"}, '[[agency]]\nid = "police-se"\nname = "x"\nkind = "police"\ncountry = "SE"\n', ":1"),
        ({"agencies": "{}"}, blackbox.record("police-se", "police", "SE", "police", "colour = 1"), ":10"),
        ({"agencies": "{}"}, blackbox.record("hotline-ru", "hotline", "RU", "hotline"), ":5"),
        ({"agencies": "{}"}, 2 * blackbox.record("police-se", "police", "SE", "police"), "police-se"),
        ({"partners": "{}"}, '[[partner]]\nid = "a-urgent"\nname = "x"\nkind = "hotline"\nvetted = true\n', ":2"),
        ({"rulebook": "{}"}, 'id = "own"\n[[rule]]\nid = "R01"\nkind = "nothing"\n', ":4"),
        ({"country": "ZZ"}, "", "ZZ"),
    ],
    ids=["no-channel", "unknown-key", "low-certainty", "twins", "partner-ending", "rulebook", "country"],
)
def test_bad_configuration_ends_with_78(
    settings: dict[str, str], file: str, says: str, tmp_path: Path, worlds: dict[str, dict[str, str]]
) -> None:
    """A faulty file ends the command with 78 and names file, line and reason."""
    path = tmp_path / "own.toml"
    path.write_text(file, encoding="utf-8")
    env = worlds["se"] | {f"VIDARE_{key.upper()}": value.format(path) for key, value in settings.items()}
    done = vidare(["explain", "-", "--as", "ecpat-se"], env, lines([GOOD]))
    assert done.returncode == 78
    assert says in done.stderr.decode()
    assert not file or str(path) in done.stderr.decode()


def test_wrong_use_ends_with_2(worlds: dict[str, dict[str, str]]) -> None:
    """No sender, a sender that is not there and a file that is not there are wrong use."""
    assert vidare(["explain", "-"], worlds["se"], b"").returncode == 2
    assert vidare(["explain", "-", "--as", "nobody"], worlds["se"], b"").returncode == 2
    assert vidare(["explain", "/nowhere.jsonl", "--as", "ecpat-se"], worlds["se"]).returncode == 2
