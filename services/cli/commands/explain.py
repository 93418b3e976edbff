"""``vidare explain``: where submissions would go and why, offline; each line stands alone."""

from collections.abc import Sequence
from typing import Any

from services.chassis.settings import Settings
from services.cli import output
from services.cli.commands.submit import partner_named, read_files


def run(  # noqa: PLR0913 - one for each option of the command
    settings: Settings,
    files: Sequence[str],
    partner: str,
    *,
    json: bool = False,
    why_not: bool = False,
    expect: str | None = None,
) -> int:
    """
    Explain every submission of *files*; 1 if destinations differ from *expect* (ids with commas between them).

    Raises:
        WrongUse: A file cannot be read, or *partner* is nobody.
    """
    from services.cli.explaining import Explainer  # noqa: PLC0415 - keeps `vidare --help` quick

    sender = partner_named(settings, partner)
    given = read_files(files)
    explainer = Explainer.of(settings)
    wanted = None if expect is None else sorted(name.strip() for name in expect.split(",") if name.strip())
    differ = False
    for one in given:
        told = explainer.explain(one.data, sender.id, rules=why_not)
        if json:
            output.as_json(told, pretty=False)
        else:
            _in_words(told, why_not=why_not)
        if wanted is not None and _ids(told) != wanted:
            differ = True
            output.note(
                f"{one.where}: expected {', '.join(wanted) or 'nobody'}; decided {', '.join(_ids(told)) or 'nobody'}"
            )
    return 1 if differ else 0


def _ids(told: dict[str, Any]) -> list[str]:
    return [to["id"] for to in told.get("destinations", ())]


def _in_words(told: dict[str, Any], *, why_not: bool) -> None:
    if not told["accepted"]:
        refusal = told["refusal"]
        output.line(
            f"{told['reference'] or '-'}: refused, {refusal['reason']} at {refusal['pointer'] or 'the whole document'}"
        )
        return
    reasons = " ".join(told["priority_reasons"])
    output.line(
        f"{told['reference']}: {told['priority']}{f' ({reasons})' if reasons else ''}, hosted in {_hosted(told)}"
    )
    output.table(
        ("destination", "rules", "priority", "region"),
        [(to["id"], " ".join(to["rules"]), to["priority"], to["region"] or "") for to in told["destinations"]],
    )
    for one in told["later"]:
        output.line(f"later: {one['id']} ({one['rule']}), {one['after']}")
    for one in told["suppressed"]:
        output.line(f"suppressed: {one['id']} ({one['rule']})")
    for one in told["why_not"]:
        output.line(f"not: {one['id']} ({one['rule']}), {one['reason']}")
    if told["px"]:
        output.line(f"not referable: {told['px']}")
    if why_not:
        output.table(
            ("rule", "matched", "failed condition"),
            [(r["id"], "yes" if r["matched"] else "", r["failed"]) for r in told["rules"]],
        )


def _hosted(told: dict[str, Any]) -> str:
    where = told["jurisdiction"]
    known = ", ".join(f"{one['country']} ({one['confidence']})" for one in where["hosting"])
    return known or (f"one of {', '.join(where['candidates'])}" if where["candidates"] else "an unknown country")
