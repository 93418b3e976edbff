"""``vidare rules check|diff``: prove a rulebook, or say exactly what another one changes."""

from pathlib import Path
from typing import Any

from services.chassis.settings import Settings
from services.cli import output


def check(settings: Settings, file: Path | None = None, *, json: bool = False) -> int:
    """
    Load and prove a rulebook; warnings do not fail it.

    Raises:
        Misconfigured: It cannot be loaded or proven; says file, line and reason.
    """
    from services.chassis.onboarding import load_agencies  # noqa: PLC0415 - keeps `vidare --help` quick
    from services.router.atlas import Atlas  # noqa: PLC0415
    from services.router.proof import prove  # noqa: PLC0415
    from services.router.registry import load_registry  # noqa: PLC0415
    from services.router.rulebook import load_rulebook  # noqa: PLC0415

    book = load_rulebook(file or settings.rulebook_file)
    atlas = Atlas(settings.country, load_registry(settings.registry_file), load_agencies(settings))
    proof = prove(book, atlas)
    if json:
        output.as_json(
            {
                "rulebook": {"id": book.id, "digest": book.digest},
                "proven": True,
                "rules": proof.rules,
                "cases": proof.cases,
                "warnings": list(proof.warnings),
            }
        )
        return 0
    for warning in proof.warnings:
        output.note(f"warning: {warning}")
    said = "no tip ends nowhere, no row is dead, no fallback loops"
    output.line(f"{book.id} {book.digest}: {proof.rules} rules, {proof.cases} cases: {said}")
    return 0


def diff(old: Path, new: Path, *, json: bool = False) -> int:
    """
    Say in which cases the rulebook *new* decides differently from *old*; 1 if there is one.

    Raises:
        Misconfigured: One of them cannot be loaded.
    """
    from services.router.diff import compare  # noqa: PLC0415
    from services.router.rulebook import load_rulebook  # noqa: PLC0415

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
