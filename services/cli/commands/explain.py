"""``vidare explain``: where submissions would go and why, offline; each line stands alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contracts.topics import RULEBOOKS
from services.chassis.errors import Misconfigured
from services.cli import output
from services.cli.commands.submit import partner_named, read_files
from services.cli.context import with_broker
from services.cli.kafka_io import all_records, connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.chassis.hop import Record
    from services.chassis.settings import Settings
    from services.router.decision import World


def run(  # noqa: PLR0913 - one for each option of the command
    settings: Settings,
    files: Sequence[str],
    partner: str,
    *,
    json: bool = False,
    why_not: bool = False,
    expect: str | None = None,
    active: bool = False,
) -> int:
    """
    Explain every submission of *files*; 1 if destinations differ from *expect* (ids with commas between them).

    With *active* by the rulebook that is in force on the broker, and the answer names it.

    Raises:
        WrongUse: A file cannot be read, or *partner* is nobody.
        Misconfigured: *active*, and no broker runs or the rulebook in force cannot be used.
    """
    from services.cli.explaining import Explainer  # noqa: PLC0415 - keeps `vidare --help` quick
    from services.router.telling.explain import named  # noqa: PLC0415

    sender = partner_named(settings, partner)
    given = read_files(files)
    explainer = Explainer.of(settings)
    if active:
        explainer = replace(explainer, world=in_force(settings, explainer.world))
        output.note(f"by {explainer.world.book.id} {explainer.world.book.digest}")
    wanted = None if expect is None else sorted(name.strip() for name in expect.split(",") if name.strip())
    differ = False
    for one in given:
        told = explainer.explain(one.data, sender.id, rules=why_not)
        if json:
            output.as_json({**told, "rulebook": named(explainer.world.book)} if active else told, pretty=False)
        else:
            _in_words(told, why_not=why_not)
        if wanted is not None and _ids(told) != wanted:
            differ = True
            output.note(
                f"{one.where}: expected {', '.join(wanted) or 'nobody'}; decided {', '.join(_ids(told)) or 'nobody'}"
            )
    if wanted is not None and not given:
        output.note("there is no submission to expect anything of")
        differ = True
    return 1 if differ else 0


def in_force(settings: Settings, world: World) -> World:
    """
    *world* with the rulebook that is in force on the broker; the file's where none was ever activated.

    Raises:
        Misconfigured: No broker runs, or the rulebook in force cannot be used.
    """
    from services.router.rules.books import Books  # noqa: PLC0415

    bootstrap = with_broker(settings).kafka or ""

    async def read() -> list[Record]:
        async with connected(bootstrap) as broker:
            return [record async for record in all_records(broker, RULEBOOKS)]

    books = Books(world)
    books.apply(asyncio.run(read()))
    if books.wrong is not None:
        raise Misconfigured(f"the rulebook on the broker cannot be used, no router uses it: {books.wrong}")
    return books.current.world


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
