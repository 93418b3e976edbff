"""The groups of commands: ``vidare broker|topics|dlq|rules|review|geodata|export|viewer ...``."""

# ruff: noqa: PLC0415 - `vidare --help` must be quick: a command imports what it needs when it is called

from pathlib import Path
from typing import Annotated

import typer

from services.cli.agencygroup import agencies_app
from services.cli.options import Json, Topic, TopicOrAll, end

broker_app = typer.Typer(no_args_is_help=True, help="The local broker (only where VIDARE_KAFKA names none).")
topics_app = typer.Typer(no_args_is_help=True, help="The topics of the contract: create or compare them.")
dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: records that could not be worked, kept whole.")
rules_app = typer.Typer(no_args_is_help=True, help="Rulebooks: prove, compare, try and activate.")
geodata_app = typer.Typer(no_args_is_help=True, help="The databases that say where an address lies.")
review_app = typer.Typer(no_args_is_help=True, help="The human desk: tips that a person must decide.")
export_app = typer.Typer(no_args_is_help=True, help="Referrals in the forms of others.")
viewer_app = typer.Typer(no_args_is_help=True, help="Traces in the browser, from the spans kept on this machine.")

GROUPS = {
    "agencies": agencies_app,
    "broker": broker_app,
    "topics": topics_app,
    "dlq": dlq_app,
    "rules": rules_app,
    "review": review_app,
    "geodata": geodata_app,
    "export": export_app,
    "viewer": viewer_app,
}


@geodata_app.command("status")
def geodata_status(*, json: Json = False) -> None:
    """Show every database, its age and where it is from; exit 1 while one is broken."""
    from services.cli.commands.geodata import status
    from services.cli.context import load_settings

    end(status(load_settings(), json=json))


@geodata_app.command("update")
def geodata_update(
    folder: Annotated[Path | None, typer.Option(help="Take the files of this folder.")] = None,
    maxmind: Annotated[str | None, typer.Option(help="MaxMind's licence key, as env:NAME or file:PATH.")] = None,
    *,
    json: Json = False,
) -> None:
    """Take newer databases, check them, put them in use; what is unsound changes nothing."""
    from services.cli.commands.geodata import update
    from services.cli.context import load_settings

    end(update(load_settings(), folder=folder, maxmind=maxmind, json=json))


@geodata_app.command("use")
def geodata_use(
    folder: Annotated[Path, typer.Argument(help="A folder of .mmdb files; it is used where it lies.")],
    *,
    json: Json = False,
) -> None:
    """Use the databases of a folder of your own."""
    from services.cli.commands.geodata import use
    from services.cli.context import load_settings

    end(use(load_settings(), folder, json=json))


@topics_app.command("apply")
def topics_apply(*, json: Json = False) -> None:
    """Create the topics of the contract, set what differs, print who may write and read them."""
    from services.cli.commands.topics import apply

    end(apply(json=json))


@topics_app.command("check")
def topics_check(*, json: Json = False) -> None:
    """Compare the broker's topics with the contract; exit 1 if they differ."""
    from services.cli.commands.topics import check

    end(check(json=json))


@dlq_app.command("list")
def dlq_list(topic: TopicOrAll = None, *, json: Json = False) -> None:
    """Count the dead letters that wait, by topic and reason."""
    from services.cli.commands.dlq import list_

    end(list_(topic, json=json))


@dlq_app.command("show")
def dlq_show(
    topic: Topic,
    *,
    content: Annotated[bool, typer.Option("--content", help="Show the bytes too: they hold what a tip says.")] = False,
    json: Json = False,
) -> None:
    """Show where each dead letter came from and why it could not be worked."""
    from services.cli.commands.dlq import show

    end(show(topic, content=content, json=json))


@dlq_app.command("replay")
def dlq_replay(
    topic: Topic,
    by: Annotated[
        str | None,
        typer.Option(help="Who replays; stands in the custody log. If not given: the account, marked as `login:`."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, oldest first.")] = None,
    *,
    json: Json = False,
) -> None:
    """Send the dead letters that wait back to where they came from, each once."""
    from services.cli.commands.dlq import replay

    end(replay(topic, by=by, limit=limit, json=json))


@broker_app.command("start")
def broker_start(*, json: Json = False) -> None:
    """Start this home's broker, or say where it runs already."""
    from services.cli.commands.broker import start

    end(start(json=json))


@broker_app.command("stop")
def broker_stop(*, json: Json = False) -> None:
    """Stop this home's broker; its records stay."""
    from services.cli.commands.broker import stop

    end(stop(json=json))


@broker_app.command("status")
def broker_status(*, json: Json = False) -> None:
    """Say whether a broker answers and where; exit 1 if none does."""
    from services.cli.commands.broker import state

    end(state(json=json))


@viewer_app.command("start")
def viewer_start(*, json: Json = False) -> None:
    """Start the trace viewer, or say where it runs already; the first time it is fetched with Maven."""
    from services.cli.commands.viewer import run
    from services.cli.context import load_settings

    end(run(load_settings(), "start", json=json))


@viewer_app.command("stop")
def viewer_stop(*, json: Json = False) -> None:
    """Stop the trace viewer; what it was shown is gone, what is kept in VIDARE_HOME stays."""
    from services.cli.commands.viewer import run
    from services.cli.context import load_settings

    end(run(load_settings(), "stop", json=json))


@viewer_app.command("status")
def viewer_status(*, json: Json = False) -> None:
    """Say whether a trace viewer runs and where; exit 1 if none does."""
    from services.cli.commands.viewer import run
    from services.cli.context import load_settings

    end(run(load_settings(), "status", json=json))


@viewer_app.command("send")
def viewer_send(
    wanted: Annotated[str, typer.Argument(metavar="TIP_ID|TRACE_ID", help="A tip id, or 32 hex digits of a trace.")],
    *,
    json: Json = False,
) -> None:
    """Send a tip's traces to the viewer and print the addresses of their pages."""
    from services.cli.commands.viewer import run
    from services.cli.context import load_settings

    end(run(load_settings(), "send", wanted, json=json))


@rules_app.command("check")
def rules_check(
    file: Annotated[Path | None, typer.Argument(help="A rulebook; without it the one in use.")] = None,
    *,
    json: Json = False,
) -> None:
    """Load and prove a rulebook: no tip ends nowhere, no row is dead, no fallback loops."""
    from services.cli.commands.rules import check
    from services.cli.context import load_settings

    end(check(load_settings(), file, json=json))


@rules_app.command("diff")
def rules_diff(
    old: Annotated[Path, typer.Argument(help="The rulebook before.")],
    new: Annotated[Path, typer.Argument(help="The rulebook after.")],
    *,
    json: Json = False,
) -> None:
    """Say exactly what another rulebook decides otherwise; exit 1 if there is something."""
    from services.cli.commands.rules import diff

    end(diff(old, new, json=json))


@rules_app.command("activate")
def rules_activate(
    file: Annotated[Path, typer.Argument(help="A rulebook; it is proven first.")],
    by: Annotated[
        str | None,
        typer.Option(help="Who activates; stands in the custody log. If not given: the account, marked as `login:`."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Publish a rulebook and put it in force: each router task switches between two transactions."""
    from services.cli.commands.activate import activate
    from services.cli.context import load_settings

    end(activate(load_settings(), file, by=by, json=json))


@rules_app.command("backtest")
def rules_backtest(
    new: Annotated[Path, typer.Argument(help="The rulebook to try.")],
    since: Annotated[str, typer.Option(help="How far back: 90m, 12h, 7d.")] = "7d",
    *,
    json: Json = False,
) -> None:
    """Say how many recorded decisions another rulebook would take otherwise, by rule; exit 1 if there is one."""
    from services.cli.commands.backtest import backtest
    from services.cli.context import load_settings

    end(backtest(load_settings(), new, since, json=json))


@review_app.command("list")
def review_list(*, json: Json = False) -> None:
    """Show the tips that wait for a person: why, how urgent, until when; the most urgent first."""
    from services.cli.commands.review import list_
    from services.cli.context import load_settings

    end(list_(load_settings(), json=json))


@review_app.command("decide")
def review_decide(  # noqa: PLR0913 - one for each thing that a person may decide
    tip: Annotated[str, typer.Argument(metavar="TIP_ID|REVIEW_ID", help="From `vidare review list`.")],
    by: Annotated[list[str], typer.Option(help="Who decides; twice where two people must.")],
    reason: Annotated[str, typer.Option(help="Why; stands in the custody log, so no word of the tip itself.")],
    refer: Annotated[str, typer.Option(help="Agencies that must have it besides, a comma between them.")] = "",
    country: Annotated[str | None, typer.Option(help="Where the content is hosted (ISO 3166-1).")] = None,
    status: Annotated[str | None, typer.Option(help="What an analyst found: baseline, national, harmful ...")] = None,
    priority: Annotated[str | None, typer.Option(help="P0 to P4.")] = None,
    *,
    close: Annotated[bool, typer.Option("--close", help="Not referable: the tip ends here.")] = False,
    json: Json = False,
) -> None:
    """Decide a tip that waits for a person: it goes on as its next version. Lowering a P0 needs two people."""
    from services.cli.commands.review import Wish, decide
    from services.cli.context import load_settings

    wish = Wish(tuple(by), reason, refer, country, status, priority, close)
    end(decide(load_settings(), tip, wish, json=json))


@export_app.command("cdn")
def export_cdn(
    agency: Annotated[str, typer.Option(help="The proxy operator's desk.")] = "cdn-cloudflare",
    csv: Annotated[Path | None, typer.Option(help="Also write a row for each URL to this file.")] = None,
    *,
    tell_host: Annotated[bool, typer.Option("--tell-host", help="Let the operator tell the host, unnamed.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Export test referrals, and nothing else.")] = False,
    json: Json = False,
) -> None:
    """Make reports of the open referrals: one hostname and up to 250 URLs in each; the owner is never told."""
    from services.cli.commands.export import cdn

    end(cdn(agency, csv=csv, tell_host=tell_host, test=test, json=json))
