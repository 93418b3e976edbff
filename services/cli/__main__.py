"""
The ``vidare`` command: names, options and help texts; what a command does is imported when it is called.

Exit codes: 0 done, 1 the answer is no, 2 wrong use, 78 bad configuration.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.chassis.errors import EX_CONFIG, Misconfigured, VidareError

NO = 1

app = typer.Typer(
    name="vidare",
    help="Carries every tip about child sexual abuse online to the right hands: fast, none lost, none twice.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Settings are VIDARE_* in the environment or in vidare.toml; `vidare config` shows them.",
)
broker_app = typer.Typer(no_args_is_help=True, help="The local broker (only where VIDARE_KAFKA names none).")
topics_app = typer.Typer(no_args_is_help=True, help="The topics of the contract: create or compare them.")
dlq_app = typer.Typer(no_args_is_help=True, help="Dead letters: records that could not be worked, kept whole.")
rules_app = typer.Typer(no_args_is_help=True, help="Rulebooks: prove one, or compare two.")
geodata_app = typer.Typer(no_args_is_help=True, help="The databases that say where an address lies.")
for name, group in (("broker", broker_app), ("topics", topics_app), ("dlq", dlq_app), ("rules", rules_app), ("geodata", geodata_app)):
    app.add_typer(group, name=name)

Json = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]
Partner = Annotated[str, typer.Option("--as", help="Id of the partner who sends, from partners.toml.")]
Topic = Annotated[str, typer.Argument(help="The topic, with or without its ending -dlq.")]


@app.command()
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes for each hop.")] = 1, *, json: Json = False
) -> None:
    """Start broker and services on this machine and stay; Ctrl-C stops everything."""
    from services.cli.commands.up import up as command

    _end(command(workers=workers, json=json))


@app.command()
def demo(*, json: Json = False) -> None:
    """Start a mesh of its own, send the demo tips through it, show where each one went, stop it."""
    from services.cli.commands.demo import demo as command

    _end(command(json=json))


@app.command()
def submit(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON or JSONL files; - is standard input.")],
    as_: Partner,
    *,
    json: Json = False,
) -> None:
    """Check submissions and publish them to the partner's inbox; refused ones are named, the others are sent."""
    from services.cli.commands.submit import submit as command

    _end(command(files, as_, json=json))


@app.command()
def config(*, json: Json = False) -> None:
    """Print every setting and where its value comes from; secrets are masked."""
    from services.cli.commands.config import config as command

    _end(command(json=json))


@app.command()
def tip(tip_id: Annotated[str, typer.Argument(help="A tip id, as in tips-status-<partner>.")], *, json: Json = False) -> None:
    """Show everything known about one tip: timeline, decision, deliveries, trace."""
    from services.cli.commands.tip import tip_command
    from services.cli.context import load_settings

    _end(tip_command(load_settings(), tip_id, json=json))


@app.command()
def reconcile(*, json: Json = False) -> None:
    """Balance the books: every accepted tip and where it ended; exit 1 if one is unaccounted for."""
    from services.cli.commands.reconcile import reconcile_command
    from services.cli.context import load_settings

    _end(reconcile_command(load_settings(), json=json))


@app.command()
def locate(
    target: Annotated[str, typer.Argument(metavar="IP_OR_URL", help="An address or a URL; nothing leaves this machine.")],
    *,
    json: Json = False,
) -> None:
    """Show what every source says of one address, and the verdict; offline, nothing is stored."""
    from services.cli.commands.locate import run
    from services.cli.context import load_settings

    _end(run(load_settings(), target, json=json))


@app.command()
def explain(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON or JSONL files; - is standard input.")],
    as_: Partner,
    expect: Annotated[str | None, typer.Option(help="Destinations, a comma between them; exit 1 if others are decided.")] = None,
    *,
    why_not: Annotated[bool, typer.Option("--why-not", help="Show every rule, and which condition failed.")] = False,
    json: Json = False,
) -> None:
    """Show where submissions would go and by which rules; offline, each line stands alone."""
    from services.cli.commands.explain import run
    from services.cli.context import load_settings

    _end(run(load_settings(), files, as_, json=json, why_not=why_not, expect=expect))


@geodata_app.command("status")
def geodata_status(*, json: Json = False) -> None:
    """Show every database, its age and where it is from; exit 1 while one is broken."""
    from services.cli.commands.geodata import status
    from services.cli.context import load_settings

    _end(status(load_settings(), json=json))


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

    _end(update(load_settings(), folder=folder, maxmind=maxmind, json=json))


@geodata_app.command("use")
def geodata_use(
    folder: Annotated[Path, typer.Argument(help="A folder of .mmdb files; it is used where it lies.")], *, json: Json = False
) -> None:
    """Use the databases of a folder of your own."""
    from services.cli.commands.geodata import use
    from services.cli.context import load_settings

    _end(use(load_settings(), folder, json=json))


@topics_app.command("apply")
def topics_apply(*, json: Json = False) -> None:
    """Create the topics of the contract, set what differs, print who may write and read them."""
    from services.cli.commands.topics import apply

    _end(apply(json=json))


@topics_app.command("check")
def topics_check(*, json: Json = False) -> None:
    """Compare the broker's topics with the contract; exit 1 if they differ."""
    from services.cli.commands.topics import check

    _end(check(json=json))


@dlq_app.command("list")
def dlq_list(*, json: Json = False) -> None:
    """Count the dead letters that wait, by topic and reason."""
    from services.cli.commands.dlq import list_

    _end(list_(json=json))


@dlq_app.command("show")
def dlq_show(
    topic: Topic,
    *,
    content: Annotated[bool, typer.Option("--content", help="Show the bytes too: they hold what a tip says.")] = False,
    json: Json = False,
) -> None:
    """Show where each dead letter came from and why it could not be worked."""
    from services.cli.commands.dlq import show

    _end(show(topic, content=content, json=json))


@dlq_app.command("replay")
def dlq_replay(
    topic: Topic,
    by: Annotated[str, typer.Option(help="Who replays; stands in the custody log.")],
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, oldest first.")] = None,
    *,
    json: Json = False,
) -> None:
    """Send the dead letters that wait back to where they came from, each once."""
    from services.cli.commands.dlq import replay

    _end(replay(topic, by=by, limit=limit, json=json))


@broker_app.command("start")
def broker_start(*, json: Json = False) -> None:
    """Start this home's broker, or say where it runs already."""
    from services.cli.commands.broker import start

    _end(start(json=json))


@broker_app.command("stop")
def broker_stop(*, json: Json = False) -> None:
    """Stop this home's broker; its records stay."""
    from services.cli.commands.broker import stop

    _end(stop(json=json))


@broker_app.command("status")
def broker_status(*, json: Json = False) -> None:
    """Say whether a broker answers and where; exit 1 if none does."""
    from services.cli.commands.broker import state

    _end(state(json=json))


def _end(code: int) -> None:
    raise typer.Exit(code)


def main() -> None:
    """Run the command line; every error is one clear line, never a stack of calls."""
    try:
        app(prog_name="vidare")
    except Misconfigured as error:
        _say(error, EX_CONFIG)
    except VidareError as error:
        _say(error, NO)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NO)


def _say(error: VidareError, code: int) -> None:
    sys.stderr.write(f"vidare: {error}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
