"""Mutilated rulebooks and registries: each gives one clear error, on the line where the fault stands, in seconds."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.chassis.errors import Misconfigured
from services.router.geography.registry import load_registry
from services.router.rules.proof import prove
from services.router.rules.rulebook import Rulebook, load_rulebook, parse_rulebook
from tests.support.router_world import SETTINGS, rulebook, shipped

BOOK = SETTINGS.rulebook_file.read_bytes()
REGISTRY = SETTINGS.registry_file.read_bytes()
SECONDS = 20
"""Far above what a proof takes, far below what a search through all combinations would."""

Mutate = Callable[[bytes], bytes]


def swap(old: str, new: str | bytes) -> Mutate:
    """Replace the first *old*."""

    def mutate(data: bytes) -> bytes:
        assert old.encode() in data
        return data.replace(old.encode(), new if isinstance(new, bytes) else new.encode(), 1)

    return mutate


def line_with(data: bytes, mark: str) -> int:
    """The first line that holds *mark*."""
    return data[: data.index(mark.encode())].count(b"\n") + 1


def refusal(path: Path, data: bytes, load: Callable[[Path], object]) -> tuple[int, str]:
    """The line and the reason with which *data* is refused."""
    path.write_bytes(data)
    began = time.process_time()
    with pytest.raises(Misconfigured) as error:
        load(path)
    assert time.process_time() - began < SECONDS
    told = str(error.value)
    assert "\n" not in told
    assert told.startswith(f"{path}:"), told
    line, _, reason = told.removeprefix(f"{path}:").partition(": ")
    return int(line), reason


def proven(path: Path) -> Rulebook:
    """Load and prove."""
    book = load_rulebook(path)
    prove(book, shipped().atlas)
    return book


WIDE = (
    "[{ any = ["
    + ", ".join(
        f'{{ fact = "{name}", equals = true }}'
        for name in (
            *("eu_linked", "hash_only", "addressed", "people_all_eu", "consent", "foreign_hotline", "known_case"),
            *("region_known", "person_wanted", "investigation", "urgent", "illegal", "no_country", "sighting"),
            *("media", "nothing_left"),
        )
    )
    + "] }]"
)
"""A condition on sixteen facts: 65,536 cases for this row alone."""

TRAFFICKING = '[{ fact = "kind", equals = "trafficking" }]'


@pytest.mark.parametrize(
    ("mutate", "mark", "reason"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, "# The shipped", "byte-order mark"),
        (swap("CyberTipline: peer-to-peer", b"CyberTipline: peer\xff\xfe"), "CyberTipline: peer", "not UTF-8"),
        (lambda _: b"", "", "'id' is missing"),
        (lambda data: data[: len(data) // 2], None, "not TOML"),
        (lambda data: data + b"#" * (9 * 2**20), "# The shipped", "larger than"),
        (swap('"trafficking" }]', '"trafficking" }'), None, "not TOML"),
        (swap('title = "trafficking"', 'title = "trafficking\nof people"'), 'title = "trafficking', "not TOML"),
        (swap('id = "R23"', 'id = "R23"\nid = "R24"'), 'id = "R24"', "not TOML"),
        (swap("[fallback]", "[fallback]\nreview = []\n[fallback]"), None, "not TOML"),
        (swap('id = "default"', 'id = ["default"]'), 'id = ["default"]', "'id'"),
        (swap('id = "R12"', 'id = "R13"'), 'id = "R13"\nkind = "destination"\nper = "offender"', "two rules"),
        (swap('source = "Interpol membership"\n', ""), 'id = "R15"', "'source' is missing"),
        (swap('source = "Interpol membership"', 'source = "    "'), 'source = "    "', "'source'"),
        (swap('source = "Interpol membership"\ndate = 2026-11-22', 'source = "Interpol"'), 'id = "R15"', "'date'"),
        (
            swap('source = "Interpol membership"\ndate = 2026-11-22', 'source = "Interpol"\ndate = 2026-02-30'),
            "2026-02-30",
            "not TOML",
        ),
        (swap('fact = "host.conf', 'fact = "host.certainty"\n#'), 'fact = "host.certainty"', "not TOML"),
        (swap("host.confidence", "host.certainty"), "host.certainty", "unknown fact 'host.certainty'"),
        (swap("at_least = 0.7", 'at_least = "much"'), 'at_least = "much"', "cannot be asked"),
        (swap("at_least = 0.7", "at_least = nan"), "at_least = nan", "never compared with nan"),
        (swap("at_least = 0.7", "at_least = true"), "at_least = true", "cannot be asked"),
        (swap('"host.at", equals = "home"', '"host.at", equals = ["home"]'), '= ["home"]', "needs one value"),
        (swap('has = "self_report"', 'has = ["self_report"]'), 'has = ["self_report"]', "needs one value"),
        (swap('has = "self_report"', 'has = "screaming"'), 'has = "screaming"', "never is 'screaming'"),
        (swap('"kind", equals = "trafficking"', '"kind", at_least = "trafficking"'), '"kind", at_least', "cannot be"),
        (swap('"kind", equals = "trafficking"', '"kind", one_of = []'), "one_of = []", "needs a list"),
        (swap('{ any = [{ fact = "illegal"', '{ all = [], any = [{ fact = "illegal"'), "all = [], any", "either fact"),
        (swap(TRAFFICKING, "[{ all = [] }]"), "{ all = [] }", "all needs a list"),
        (swap(TRAFFICKING, "[{ not = [] }]"), "{ not = [] }", "must be a table"),
        (swap(TRAFFICKING, "[{ }]"), "[{ }]", "exactly one of any"),
        (swap(TRAFFICKING, "[" + "{ not = " * 80 + "{}" + " }" * 80 + "]"), "{ not = { not", "either fact|exactly one"),
        (swap(TRAFFICKING, "[" + "{ not = " * 3000 + "{}" + " }" * 3000 + "]"), "{ not = { not", "nested too deeply"),
        (swap(TRAFFICKING, '[{ matched = "R23" }]'), 'id = "R23"', "reads rule R23, which does not stand above it"),
        (swap(TRAFFICKING, "[{ matched = 23 }]"), "matched = 23", "needs the id of a rule"),
        (swap('to = ["cdn", "review"]', 'to = ["cdn", "the-press"]'), '"the-press"', "unknown target 'the-press'"),
        (swap('to = ["cdn", "review"]', 'to = "cdn"'), 'to = "cdn"', "'to'"),
        (swap('later = ["takedown"] }]', 'later = ["review"] }]'), 'later = ["review"]', "cannot wait"),
        (
            swap('then = [{ to = ["hotline-of"] }]', 'then = [{ to = ["candidate-routes"] }]'),
            "candidate-routes",
            "route",
        ),
        (swap('police-of = ["interpol-ncb"]', 'police-of = ["police-of"]'), "police-of = ", "loop: police-of"),
        (
            swap('police-of = ["interpol-ncb"]', 'police-of = ["candidate-routes"]'),
            "police-of = ",
            "stands in for none",
        ),
        (
            swap('interpol-ncb = ["police-home", "review"]', 'interpol-ncb = ["police-of"]'),
            'police-of = ["interpol-ncb"]\ninterpol',
            "fallbacks loop",
        ),
        (swap("police-of =", "police-off ="), "police-off =", "unknown target 'police-off'"),
        (swap('remove = ["held"]', "remove = []"), "remove = []", "remove does not fit"),
        (swap('keep = ["police", "review"]', 'keep = ["police", "press"]'), '"press"', "'press' is none of"),
        (swap('spare = ["R02"]', 'spare = ["R99"]'), 'id = "R30"', "reads rule R99"),
        (swap('sets = "legality"', 'sets = "mercy"'), 'sets = "mercy"', "'sets'"),
        (swap('per = "victim"', 'per = "witness"'), 'per = "witness"', "per 'witness'"),
        (swap(TRAFFICKING, WIDE), 'id = "R23"', "reads too much"),
    ],
)
def test_a_mutilated_rulebook_is_refused_on_its_line(
    tmp_path: Path, mutate: Mutate, mark: str | None, reason: str
) -> None:
    """File, line and one reason, whatever was done to it; a later fault in the same file does not hide the first."""
    data = mutate(BOOK)

    line, told = refusal(tmp_path / "rulebook.toml", data, proven)

    assert any(one in told for one in reason.split("|")), told
    if mark is not None:
        wanted = line_with(data, mark)
        # A fault of a whole row is told on the row's first line.
        assert line in ((wanted, wanted - 1) if mark.startswith("id =") else (wanted,)), told


@pytest.mark.parametrize(
    ("mutate", "mark", "reason"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, "iso2", "byte-order mark"),
        (swap("Netherlands", b"Nether\xfflands"), "\nNL,", "not UTF-8"),
        (lambda _: b"", None, "the columns must be"),
        (swap("iso2,country", "iso2,iso2,country"), "iso2", "twice: 'iso2'"),
        (swap(",sources", ""), "iso2", "missing: 'sources'"),
        (swap(",sources,iwf_portal", ",iwf_portal,sources"), "iso2", "another order"),
        (swap(",sources,", ",source,"), "iso2", "unknown: 'source'"),
        (swap("NL,Netherlands", 'NL,"Netherlands'), "\nNL,", "not CSV"),
        (swap("NL,Netherlands", 'NL,"Nether"lands'), "\nNL,", "not CSV"),
        (swap("NL,Netherlands", "NL,Netherlands,again"), "\nNL,", "12 cells instead of 11"),
        (swap("\nNL,", "\n\nNL,"), "\n\nNL,", "0 cells instead of 11"),
        (swap("NL,Netherlands", "NL,Nether\x00lands"), "\nNL,", "control character"),
        (lambda data: data + b"ZZ,Nowhere,,none,,,none,n/a,,W1,no\n", "\nZZ,", "'ZZ' is not a country"),
        (lambda data: data + b"x" * (9 * 2**20), "iso2", "larger than"),
        (swap("\nNL,", "\nSE,Netherlands,,none,,,none,member,,W1,no\nNL,"), "\nSE,Sweden", "a second row for SE"),
        (
            lambda data: b"\n".join(one for one in data.split(b"\n") if not one.startswith(b"NL,")),
            None,
            "no row for NL",
        ),
        (swap("\nNL,", "\nnl,"), "\nnl,", "'nl' is not a country code"),
        (swap("\nNL,", "\nUK,"), "\nUK,", "'UK' is not a country code"),
        (swap("NL,Netherlands", b"NL,\xe9lan"), "\nNL,", "not UTF-8"),
        (lambda data: data.decode().encode("utf-16"), "", "not UTF-8"),
        (lambda data: data[: data.index(b"\nNL,") + 12], "\nNL,", "cells instead of 11"),
        (lambda data: data.replace(b",", b";"), "iso2", "the columns must be"),
    ],
)
def test_a_mutilated_registry_is_refused_on_its_line(
    tmp_path: Path, mutate: Mutate, mark: str | None, reason: str
) -> None:
    """The same for the registry: quoting, columns, bytes that are no text."""
    data = mutate(REGISTRY)

    line, told = refusal(tmp_path / "registry.csv", data, load_registry)

    assert any(one in told for one in reason.split("|")), told
    if mark is not None:
        assert line == line_with(data, mark) + mark.startswith("\n"), told


def test_other_line_ends_are_the_same_registry(tmp_path: Path) -> None:
    """A table saved on another system is as good, and its faults stand on the same lines."""
    path = tmp_path / "registry.csv"
    path.write_bytes(REGISTRY.replace(b"\n", b"\r\n"))
    assert load_registry(path).rows == load_registry(SETTINGS.registry_file).rows

    bad = REGISTRY.replace(b"\n", b"\r\n").replace(b"\nNL,", b"\nZZ,", 1)
    line, _ = refusal(path, bad, load_registry)
    assert line == line_with(bad, "\nZZ,") + 1


def test_other_line_ends_are_the_same_book(tmp_path: Path) -> None:
    """A book saved on another system is as good, has the same digest, and its faults stand on the same lines."""
    path = tmp_path / "rulebook.toml"
    path.write_bytes(BOOK.replace(b"\n", b"\r\n"))

    assert load_rulebook(path).digest == rulebook().digest
    assert parse_rulebook(path.read_bytes().decode(), path).digest == rulebook().digest
    bad = BOOK.replace(b'title = "trafficking"', 'title = "one\u2028line"'.encode(), 1).replace(b"0.7", b"0,7", 1)
    line, _ = refusal(path, bad, proven)
    assert line == line_with(bad, "0,7")


def test_every_target_without_an_agency_is_dropped_not_stumbled_over(tmp_path: Path) -> None:
    """A book may ask for a hotline where none is; the decision names it, and nothing breaks."""
    from tests.support.router_world import a_world, decide  # noqa: PLC0415
    from tests.support.tips import a_tip  # noqa: PLC0415

    path = tmp_path / "rulebook.toml"
    path.write_bytes(swap('then = [{ to = ["police-of"] }, { when', 'then = [{ to = ["hotline-of"] }, { when')(BOOK))

    decision = decide(a_tip("NO"), a_world(book=proven(path)))

    assert decision.ids
