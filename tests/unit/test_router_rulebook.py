"""The rulebook: bad ones are refused with their line, good ones are proven, two are compared exactly."""

import re
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.router.rules.diff import compare
from services.router.rules.proof import prove
from services.router.rules.rulebook import Rulebook, load_rulebook
from tests.support.router_world import SETTINGS, a_world, rulebook, shipped

TEXT = SETTINGS.rulebook_file.read_text(encoding="utf-8")


def changed(tmp_path: Path, old: str, new: str) -> Rulebook:
    """The shipped book with one text replaced."""
    assert old in TEXT
    path = tmp_path / "rulebook.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return load_rulebook(path)


def without(rule: str) -> str:
    """The shipped text without one row."""
    found = re.search(rf'\[\[rule\]\]\nid = "{rule}"\n.*?(?=\n\[\[rule\]\]|\Z)', TEXT, re.DOTALL)
    assert found is not None
    return found.group()


def test_the_shipped_book_has_every_rule_and_is_proven() -> None:
    """
    R01 to R41, each with source and date; no tip ends nowhere, no row is dead.
    """
    proof = prove(rulebook(), shipped().atlas)

    assert {row.id for row in rulebook().rows} == {f"R{n:02d}" for n in range(1, 42)}
    assert proof.warnings == ()
    assert proof.cases > 500


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('id = "R03"', 'id = "R02"', "two rules with the id R02"),
        ('id = "R03"', 'id = "rule three"', "'id'"),
        ('kind = "door"', 'kind = "gate"', "'kind'"),
        ('per = "scene"', 'per = "street"', "per 'street'"),
        ('fact = "scene.at"', 'fact = "scene.colour"', "unknown fact 'scene.colour'"),
        ('fact = "scene.at"', 'fact = "host.at"', "unknown fact 'host.at'"),
        ('equals = "home"', 'equals = "SE"', "never is 'SE'"),
        ('equals = "home"', 'is = "home"', "exactly one of equals"),
        ('{ fact = "scene.at", equals = "home" }', '"scene is home"', "when"),
        ('{ fact = "media", equals = true }', '{ fact = "media", equals = "yes" }', "cannot be asked"),
        ('{ fact = "media", equals = true }', "{ any = [] }", "any needs a list"),
        ('{ fact = "media", equals = true }', "{ some = [] }", "unknown condition 'some'"),
        ('{ fact = "media", equals = true }', '{ fact = "media", equals = true, has = "x" }', "exactly one of"),
        ('one_of = ["baseline", "national"]', 'one_of = "baseline"', "one_of needs a list"),
        ('one_of = ["baseline", "national"]', 'one_of = ["baseline", "bad"]', "never is 'bad'"),
        ('matched = "R08"', 'matched = "R99"', "reads rule R99"),
        ('to = ["hotline-of"]', 'to = ["hotline-nl"]', "unknown target 'hotline-nl'"),
        ('then = [{ to = ["hotline-of"] }]', "then = [{ }]", "refers to nobody"),
        ('then = [{ to = ["hotline-of"] }]', "then = []", "then does not fit"),
        ('{ to = ["police-home"] },\n  { per = "scene"', '{ to = ["police-of"] },\n  { per = "scene"', "needs a place"),
        ('remove = ["sender"]', 'remove = ["everybody"]', "remove 'everybody'"),
        ('remove = ["sender"]', 'keep = ["police"]\nremove = ["sender"]', "remove does not fit"),
        ('px = "not_illegal"', 'px = "not_illegal"\nshout = true', "unknown key 'shout'"),
        ('title = "trafficking"', 'title = "trafficking in {country}"', "a title may only name"),
        ('title = "trafficking"', 'title = "{urls}"', "a title may only name"),
        ('police-of = ["interpol-ncb"]', 'police-of = ["interpol-ncb"]\npolice-home = ["police-of"]', "fallbacks loop"),
        ('police-of = ["interpol-ncb"]', 'police-of = ["the-pope"]', "unknown target 'the-pope'"),
        ('kind = "default"', 'kind = "destination"', "stands too late"),
        ('kind = "close"\ntitle = "assessed', 'kind = "suppress"\ntitle = "assessed', "R29"),
        ('kind = "default"', 'kind = "default"\nper = "host"', "per does not fit"),
        ("date = 2026-11-22", 'date = "yesterday"', "'date'"),
        ('[[rule]]\nid = "R02"', '[[rule]\nid = "R02"', "not TOML"),
    ],
)
def test_a_bad_rulebook_is_refused_with_line_and_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """
    One clear error each: file, line near the change, what is wrong (E54).
    """
    with pytest.raises(Misconfigured) as error:
        changed(tmp_path, old, new)

    told = str(error.value)
    line = int(told.removeprefix(f"{tmp_path / 'rulebook.toml'}:").partition(":")[0])
    assert reason in told, told
    assert abs(line - (TEXT[: TEXT.index(old)].count("\n") + 1)) <= 6, told


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            '[{ any = [{ fact = "nothing_left", equals = true }, { fact = "person_wanted", equals = true }] }]',
            '[{ fact = "person_wanted", equals = true }]',
            "could end nowhere",
        ),
        (
            '[{ any = [{ fact = "nothing_left", equals = true }, ',
            '[{ fact = "urgent", equals = true }, { any = [{ fact = "nothing_left", equals = true }, ',
            "could end nowhere",
        ),
        (
            '{ fact = "kind", equals = "trafficking" }',
            '{ fact = "kind", equals = "trafficking" }, { fact = "kind", equals = "csam" }',
            "R23 is dead",
        ),
        (
            '{ fact = "priority", equals = "P0" }',
            '{ fact = "priority", equals = "P0" }, { fact = "urgent", equals = false }',
            "R02 is dead",
        ),
        (
            '{ fact = "host.at", equals = "home" },\n  { fact = "host.confidence"',
            (
                '{ fact = "host.at", equals = "unknown" },\n  { fact = "host.has_police", equals = true },\n'
                '  { fact = "host.confidence"'
            ),
            "R06 is dead",
        ),
        (
            'when = [{ fact = "urgent", equals = false }], to = ["review"] },\n]\nsource = "RIPE',
            'when = [{ fact = "address.conflict", equals = false }], to = ["review"] },\n]\nsource = "RIPE',
            "dead clause",
        ),
        ('px = "not_illegal"\n', "", "closes a tip without a reason"),
        ('when = []\nremove = ["sender"]', 'when = []\nremove = ["interpol-iccam", "review"]', "R07 is shadowed"),
        (
            '{ fact = "priority", equals = "P0" }]\nthen = [{ to = ["police-home"] }]\nsets = "duty"',
            (
                '{ fact = "kind", equals = "trafficking" }]\nthen = [\n  { to = ["police-home"] },\n'
                '  { per = "scene", when = [{ fact = "scene.at", equals = "abroad" }], to = ["police-of"] },\n'
                '  { when = [{ fact = "eu_states", at_least = 2 }], to = ["europol"] },\n]'
            ),
            "says the same as R02",
        ),
    ],
)
def test_a_book_that_breaks_the_proof_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """
    An empty decision, a dead row or clause, a shadowed row: named with the line of the row.
    """
    with pytest.raises(Misconfigured) as error:
        prove(changed(tmp_path, old, new), shipped().atlas)

    assert reason in str(error.value), str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'rulebook.toml'}:")


def test_a_book_without_a_default_is_refused(tmp_path: Path) -> None:
    """
    Without the last row a tip could end nowhere.
    """
    with pytest.raises(Misconfigured, match="no rule of kind default"):
        changed(tmp_path, without("R40"), "")


def test_agencies_that_are_not_onboarded_are_a_warning_and_the_home_police_an_error() -> None:
    """
    The rest has a fallback or is dropped and named; the home police have neither.
    """
    proof = prove(rulebook(), a_world(changed={"europol": None}).atlas)

    assert any("europol" in warning for warning in proof.warnings)
    with pytest.raises(Misconfigured, match="police-se is not onboarded"):
        prove(rulebook(), a_world(changed={"police-se": None}).atlas)


def test_the_digest_names_the_text() -> None:
    """
    Another text, another digest; the same text, the same.
    """
    assert rulebook().digest == load_rulebook(SETTINGS.rulebook_file).digest


def test_the_difference_of_two_books_is_exact_and_small(tmp_path: Path) -> None:
    """
    One narrowed condition is one cube with an example; a new wording is none.
    """
    narrowed = compare(rulebook(), changed(tmp_path, 'one_of = ["baseline", "national"]', 'one_of = ["baseline"]'))
    reworded = compare(rulebook(), changed(tmp_path, 'title = "trafficking"', 'title = "human trafficking"'))

    (change,) = narrowed.changes
    assert (change.rule, change.before, change.after) == ("R09", ("to interpol-iccam",), ())
    assert change.when["status"] == "national"
    assert change.when.items() <= change.example.items()
    assert (reworded.same, reworded.reworded) == (True, ("R23",))
    assert compare(rulebook(), rulebook()).same


def test_a_removed_row_and_another_fallback_are_differences(tmp_path: Path) -> None:
    """
    Nothing that decides is left out of the comparison.
    """
    removed = compare(rulebook(), changed(tmp_path, without("R27"), ""))
    fallback = compare(rulebook(), changed(tmp_path, 'police-of = ["interpol-ncb"]', 'police-of = ["review"]'))

    assert {change.rule for change in removed.changes} == {"R27"}
    assert fallback.settings == ("fallback",)
    assert not fallback.same
