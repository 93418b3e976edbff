"""
``vidare agencies ...``: names, options and help texts.

A page for operators: `vidare agencies --help` must be enough to know what an order does before it is given.
"""

# ruff: noqa: PLC0415 - `vidare --help` must be quick: a command imports what it needs when it is called

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from contracts.vocabulary import Order
from services.cli.options import Json, end

HELP = """
Who receives: how every agency is, or with an ID how one is; pause, resume, send again, close.

waiting: not at the agency yet. parked: refused, or tried for days; kept whole and offered daily. unanswered: at the
agency, without its case number so far. in time: share of what had to be acknowledged by now that was. feed: number of
its last document.

Orders stand in the custody log with name and reason, and are carried out once, also when a notifier is killed.
Exit codes: 0 done, 1 nothing changed (and why), 2 wrong use.
"""


class Agencies(TyperGroup):
    """``vidare agencies ID`` shows one agency: whatever is no command is an id."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - types that typer keeps to itself
        """Find the command; the id of an agency means ``show``."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


agencies_app = typer.Typer(cls=Agencies, help=HELP, subcommand_metavar="[ID | COMMAND] [ARGS]...")

By = Annotated[list[str] | None, typer.Option(help="Who orders it, else this machine's account; stands in the log.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the custody log, so no word of a tip.")]
Wait = Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait until the notifier has done it.")]
AgencyId = Annotated[str, typer.Argument(metavar="ID", help="Id of the agency, as in agencies.toml.")]


@agencies_app.callback(invoke_without_command=True)
def agencies(
    context: typer.Context,
    *,
    everyone: Annotated[bool, typer.Option("--all", help="Also those that nothing ever went to.")] = False,
    json: Json = False,
) -> None:
    """Show how every agency is."""
    if context.invoked_subcommand is not None:
        return
    from services.cli.commands.agencies import list_
    from services.cli.context import load_settings

    end(list_(load_settings(), everyone=everyone, json=json))


@agencies_app.command("show")
def agencies_show(agency: AgencyId, *, json: Json = False) -> None:
    """Show one agency (the same as `vidare agencies ID`): breakers, backlog, answers, what is parked and why."""
    from services.cli.commands.agencies import show
    from services.cli.context import load_settings

    end(show(load_settings(), agency, json=json))


@agencies_app.command("pause")
def agencies_pause(agency: AgencyId, reason: Reason, by: By = None, wait: Wait = 30, *, json: Json = False) -> None:
    """Push nothing to an agency until it is resumed: rows wait, nothing is counted, clocks and its feed go on."""
    from services.cli.commands.agencies_orders import order
    from services.cli.commands.agencies_wish import Wish
    from services.cli.context import load_settings

    end(order(load_settings(), Order.PAUSE, agency, Wish(tuple(by or ()), reason, wait_s=wait), json=json))


@agencies_app.command("resume")
def agencies_resume(
    agency: AgencyId,
    by: By = None,
    reason: Annotated[str | None, typer.Option(help="Why; stands in the custody log.")] = None,
    wait: Wait = 30,
    *,
    json: Json = False,
) -> None:
    """Push to an agency again: what waited goes out in order."""
    from services.cli.commands.agencies_orders import order
    from services.cli.commands.agencies_wish import Wish
    from services.cli.context import load_settings

    end(order(load_settings(), Order.RESUME, agency, Wish(tuple(by or ()), reason, wait_s=wait), json=json))


@agencies_app.command("redeliver")
def agencies_redeliver(  # noqa: PLR0913 - one for each thing that may be said
    agency: AgencyId,
    referral: Annotated[str | None, typer.Argument(help="A referral id; without it, all since a time.")] = None,
    since: Annotated[str | None, typer.Option(help="All that came since: 90m, 12h, 7d, or a time.")] = None,
    by: By = None,
    reason: Annotated[str | None, typer.Option(help="Why; stands in the custody log.")] = None,
    wait: Wait = 30,
    *,
    force: Annotated[bool, typer.Option("--force", help="Also what is acknowledged, or was just sent again.")] = False,
    json: Json = False,
) -> None:
    """Send again, with the same id and bytes, what an agency has not acknowledged; marked as a replay."""
    from services.cli.commands.agencies_orders import order
    from services.cli.commands.agencies_wish import Wish
    from services.cli.context import load_settings

    wish = Wish(tuple(by or ()), reason, referral, since, force, wait)
    end(order(load_settings(), Order.REDELIVER, agency, wish, json=json))


@agencies_app.command("close")
def agencies_close(
    referral: Annotated[str, typer.Argument(help="A referral id, as `vidare agencies ID` names those parked.")],
    reason: Reason,
    by: By = None,
    wait: Wait = 30,
    *,
    json: Json = False,
) -> None:
    """End a referral by name and reason: nothing is sent, no clock runs. An open P0 needs two people (--by twice)."""
    from services.cli.commands.agencies_orders import close
    from services.cli.commands.agencies_wish import Wish
    from services.cli.context import load_settings

    end(close(load_settings(), referral, Wish(tuple(by or ()), reason, wait_s=wait), json=json))
