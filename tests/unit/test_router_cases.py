"""The cases beside the rulebook: every row has one, all hold, and one that does not is named with its line."""

from pathlib import Path

import pytest

from contracts.events import DecisionRecorded, Verdict
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.cli.commands import rules
from services.cli.commands.backtest import span_of
from services.router.facts import History
from services.router.rules.backtest import Judge
from services.router.rules.examples import beside, failures, load_cases
from services.router.rules.rehear import ask, facts_from
from services.router.rules.rulebook import Rulebook
from tests.support.router_world import SETTINGS, Room, rulebook, shipped
from tests.support.tips import a_tip, edge, host, suspect, unsure, victim

CASES = load_cases(SETTINGS.rulebook_file.with_name("rulebook-cases.toml"))


def test_every_row_has_a_case_and_every_case_holds() -> None:
    """R01 to R41, each by its number."""
    assert {case.rule for case in CASES} == {row.id for row in rulebook().rows}
    assert failures(CASES, shipped(), rulebook()) == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('to = ["hotline-nl"]', 'to = ["hotline-fr"]', "expected hotline-fr; decided hotline-nl"),
        ('rule = "R08"', 'rule = "R09"', "R09 does not match"),
        ('part = "host"', 'part = "host", colour = 1', "no such fact: colour"),
        ('title = "one"', 'title = "one"\nfacts = { kinds = "csam" }', "no such fact: kinds"),
        ('part = "host"', 'part = "roof"', "its facts cannot be read"),
        ('title = "one"', 'title = "one"\npartner = "nobody"', "no partner nobody"),
        ('title = "one"', 'title = "one"\nfacts = { kind = "bad" }', "its facts cannot be read"),
    ],
)
def test_a_case_that_does_not_hold_is_named(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """File, line, row and what was decided instead."""
    text = '[[case]]\nrule = "R08"\ntitle = "one"\nplaces = [{ part = "host", country = "NL" }]\nto = ["hotline-nl"]\n'
    path = tmp_path / "cases.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

    (failed,) = failures(load_cases(path), shipped(), rulebook())

    assert reason in failed.reason
    assert f"{path}:1" in failed.told


def test_check_runs_the_cases_beside_a_rulebook_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A book that is proven and decides a case otherwise fails the check."""
    book = tmp_path / "mine.toml"
    book.write_text(
        SETTINGS.rulebook_file.read_text("utf-8").replace('one_of = ["baseline", "national"]', 'one_of = ["national"]')
    )
    assert beside(book) is None
    assert rules.check(Settings(), book) == 0
    (tmp_path / "mine-cases.toml").write_bytes(SETTINGS.rulebook_file.with_name("rulebook-cases.toml").read_bytes())

    assert rules.check(Settings(), book) == 1
    assert "R09, illegal content in a country with a hotline" in capsys.readouterr().out


def test_recorded_facts_heard_again_lead_where_the_tip_went() -> None:
    """What a decision records is enough to take it again: every kind of place, refusals and questions included."""
    room, atlas = Room(), shipped().atlas
    tips: list[list[Verdict]] = [
        *([host(country)] for country in ("NL", "SE", "VN", "KP", "FI")),
        [edge()],
        [unsure("NL", "FI")],
        [host("NL"), host("FI", domain="other.example")],
        [],
    ]
    for number, hosts in enumerate(tips):
        for people in ((), (victim("SE"), suspect("DK"))):
            reference = f"T-{number}-{len(people)}"
            room.locate(a_tip(*hosts, reference=reference, people=people, group=f"{reference:0>32}"))
    room.answer(room.bodies("referrals-routed")[0], "nack", nack="not_ours")

    recorded = [DecisionRecorded.model_validate(body) for body in room.bodies("decisions")]

    assert len(recorded) == 2 * len(tips) + 1
    for one in recorded:
        excluded = frozenset(miss["id"] for miss in one.why_not if miss["reason"] == "said_not_theirs")
        facts = facts_from(one.facts, atlas, excluded)
        again = ask(facts, rulebook(), atlas, partner=shipped().partners[one.partner], history=History(excluded))
        assert again.ids == tuple(to.id for to in one.destinations)
        assert set(again.later_ids) == {later["id"] for later in one.later}


def test_each_decision_is_held_against_the_book_that_took_it() -> None:
    """Where that book is the one to try, nothing changes; tips that a person closed or a test are no rulebook's."""
    room = Room()
    room.locate(a_tip("NL"))
    room.locate(a_tip("NL", reference="T-2", group="1" * 32, withdrawn=True))
    asked: list[str] = []

    def book_of(digest: str) -> Rulebook:
        asked.append(digest)
        return rulebook()

    judge = Judge(rulebook(), book_of, shipped().atlas, shipped().partners)
    recorded = [DecisionRecorded.model_validate(body) for body in room.bodies("decisions")]

    assert [judge.change(one) for one in recorded] == [None, None]
    assert asked == [rulebook().digest]


@pytest.mark.parametrize("text", ["", "7", "d7", "-1d", "7 weeks"])
def test_a_length_of_time_is_refused_in_words(text: str) -> None:
    """The words say how to write one."""
    with pytest.raises(Misconfigured, match="write 90m, 12h or 7d"):
        span_of(text)
