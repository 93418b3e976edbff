"""``vidare rules check|diff``: prove a rulebook and run its cases, or say exactly what another one changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.chassis.settings import ROOT, Settings
from services.cli import output

if TYPE_CHECKING:
    from services.router.decision import World
    from services.router.rules.proof import Proof
    from services.router.rules.rulebook import Rulebook


def check(settings: Settings, file: Path | None = None, *, json: bool = False) -> int:
    """
    Load and prove a rulebook and run its cases; warnings do not fail it, a case that is decided otherwise does (1).

    Raises:
        Misconfigured: It cannot be loaded or proven; says file, line and reason.
    """
    from services.router.rules.examples import beside, failures, load_cases  # noqa: PLC0415 - keeps `vidare --help` quick

    book, proof = proven(settings, file)
    stands = beside(file or settings.rulebook_file)
    held = load_cases(stands) if stands is not None else ()
    failed = failures(held, _world_of(settings, stands), book) if stands is not None else ()
    if json:
        output.as_json(
            {
                "rulebook": {"id": book.id, "digest": book.digest},
                "proven": True,
                "rules": proof.rules,
                "cases": proof.cases,
                "examples": len(held),
                "failed": [one.as_json() for one in failed],
                "warnings": list(proof.warnings),
            }
        )
        return 1 if failed else 0
    for warning in proof.warnings:
        output.note(f"warning: {warning}")
    said = "no tip ends nowhere, no row is dead, no fallback loops"
    output.line(f"{book.id} {book.digest}: {proof.rules} rules, {proof.cases} cases: {said}")
    for one in failed:
        output.line(one.told)
    output.line(f"{len(held) - len(failed)} of {len(held)} examples are decided as they say" if held else "no examples")
    return 1 if failed else 0


def proven(settings: Settings, file: Path | None = None) -> tuple[Rulebook, Proof]:
    """
    Load and prove the rulebook *file*, or the one that *settings* name.

    Raises:
        Misconfigured: It cannot be loaded or proven; says file, line and reason.
    """
    from services.chassis.onboarding import load_agencies  # noqa: PLC0415
    from services.router.geography.atlas import Atlas  # noqa: PLC0415
    from services.router.geography.registry import load_registry  # noqa: PLC0415
    from services.router.rules.proof import prove  # noqa: PLC0415
    from services.router.rules.rulebook import load_rulebook  # noqa: PLC0415

    book = load_rulebook(file or settings.rulebook_file)
    atlas = Atlas(settings.country, load_registry(settings.registry_file), load_agencies(settings))
    return book, prove(book, atlas)


def _world_of(settings: Settings, cases: Path) -> World:
    """The world in which *cases* are told: those beside the shipped book in the shipped one."""
    from services.router.geography.world import load_world  # noqa: PLC0415

    shipped = {"country": "SE", "agencies": None, "partners": None, "registry": None}
    ours = cases.resolve().parent == (ROOT / "services" / "router").resolve()
    return load_world(settings.model_copy(update={"rulebook": None, **(shipped if ours else {})}))


def diff(old: Path, new: Path, *, json: bool = False) -> int:
    """
    Say in which cases the rulebook *new* decides differently from *old*; 1 if there is one.

    Raises:
        Misconfigured: One of them cannot be loaded.
    """
    from services.router.rules.diff import compare  # noqa: PLC0415
    from services.router.rules.rulebook import load_rulebook  # noqa: PLC0415

    found = compare(load_rulebook(old), load_rulebook(new))
    if json:
        output.as_json(
            {
                "same": found.same,
                "settings": list(found.settings),
                "changes": [change.as_json() for change in found.changes],
                "reworded": list(found.reworded),
            }
        )
        return 0 if found.same else 1
    for name in found.settings:
        output.line(f"{name} differs")
    for change in found.changes:
        told = change.as_json()
        output.line(f"{change.rule} when {_words(told['when'])}: {_says(told['before'])} -> {_says(told['after'])}")
        output.line(f"    for example {_words(told['example'])}")
    if found.reworded:
        output.line(f"reworded only: {', '.join(found.reworded)}")
    if found.same:
        output.line("no tip is decided differently")
    return 0 if found.same else 1


def _words(case: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in case.items()) or "always"


def _says(words: list[str]) -> str:
    return " + ".join(words) or "nothing"
