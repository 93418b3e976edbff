"""
The ``vidare`` command: names, options and help texts; what a command does is imported when it is called.

Exit codes: 0 done, 1 the answer is no, 2 wrong use, 78 bad configuration.
"""

# ruff: noqa: PLC0415 - `vidare --help` must be quick: a command imports what it needs when it is called

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.chassis.errors import EX_CONFIG, Misconfigured, Unavailable, VidareError
from services.cli.groups import GROUPS
from services.cli.options import Json, Sender, end
from services.cli.wronguse import EX_USAGE, WrongUse

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
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


@app.command()
def up(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes for each hop.")] = 1, *, json: Json = False
) -> None:
    """Start broker and services on this machine and stay; Ctrl-C stops everything."""
    from services.cli.commands.up import up as command

    end(command(workers=workers, json=json))


@app.command()
def demo(*, json: Json = False) -> None:
    """Start a mesh of its own, send the demo tips through it, show where each one went, stop it."""
    from services.cli.commands.demo import demo as command

    end(command(json=json))


@app.command()
def submit(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON or JSONL files; - is standard input.")],
    as_: Sender,
    *,
    json: Json = False,
) -> None:
    """Check submissions and publish them to the partner's inbox; refused ones are named, the others are sent."""
    from services.cli.commands.submit import submit as command

    end(command(files, as_, json=json))


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the load, to see that it works.")] = False,
    json: Json = False,
) -> None:
    """Measure one hop beside other systems, then the whole chain; prints tables (about 15 minutes)."""
    from services.cli.commands.bench import run

    end(run(quick=quick, json=json))


@app.command()
def config(*, json: Json = False) -> None:
    """Print every setting and where its value comes from; secrets are masked."""
    from services.cli.commands.config import config as command

    end(command(json=json))


@app.command()
def tip(
    tip_id: Annotated[str, typer.Argument(help="A tip id, as in tips-status-<partner>.")], *, json: Json = False
) -> None:
    """Show everything known about one tip: timeline, decision, deliveries, trace."""
    from services.cli.commands.tip import tip_command
    from services.cli.context import load_settings

    end(tip_command(load_settings(), tip_id, json=json))


@app.command()
def reconcile(*, json: Json = False) -> None:
    """Balance the books: every accepted tip and where it ended; exit 1 if one is unaccounted for."""
    from services.cli.commands.reconcile import reconcile_command
    from services.cli.context import load_settings

    end(reconcile_command(load_settings(), json=json))


@app.command()
def locate(
    target: Annotated[
        str, typer.Argument(metavar="IP_OR_URL", help="An address or a URL; nothing leaves this machine.")
    ],
    *,
    json: Json = False,
) -> None:
    """Show what every source says of one address, and the verdict; offline, nothing is stored."""
    from services.cli.commands.locate import run
    from services.cli.context import load_settings

    end(run(load_settings(), target, json=json))


@app.command()
def explain(  # noqa: PLR0913 - one for each option of the command
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON or JSONL files, or tip ids with --replay; - is standard input."),
    ],
    as_: Annotated[str | None, typer.Option("--as", help="Id of the partner who sends, from partners.toml.")] = None,
    expect: Annotated[
        str | None, typer.Option(help="Destinations, a comma between them; exit 1 if others are decided.")
    ] = None,
    *,
    why_not: Annotated[bool, typer.Option("--why-not", help="Show every rule, and which condition failed.")] = False,
    active: Annotated[
        bool, typer.Option("--active", help="By the rulebook that is in force on the broker, not the file's.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Take recorded decisions again; exit 1 unless the bytes are the same.")
    ] = False,
    json: Json = False,
) -> None:
    """Show where submissions would go and by which rules; offline, each line stands alone."""
    from services.cli.commands import explain as command
    from services.cli.context import load_settings

    if replay:
        from services.cli.commands.replay import replay as again

        end(again(load_settings(), files, json=json))
    if as_ is None:
        msg = "Missing option '--as': whose submissions are they?"
        raise WrongUse(msg)
    end(command.run(load_settings(), files, as_, json=json, why_not=why_not, expect=expect, active=active))


@app.command()
def conformance(  # noqa: PLR0913 - one for each option of the command
    url: Annotated[
        str | None, typer.Argument(help="The receiver's address, https:// unless it is on loopback.")
    ] = None,
    secret_env: Annotated[str | None, typer.Option(help="Variable that holds the HMAC secret (v1).")] = None,
    signing_key_env: Annotated[
        str | None, typer.Option(help="Variable that holds an Ed25519 private key (v1a): whsk_ or PEM.")
    ] = None,
    agency: Annotated[
        str | None, typer.Option(help="Destination in the documents, where the receiver looks at it; else a new one.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificates to trust instead of the system's.")] = None,
    encrypt_to: Annotated[
        Path | None, typer.Option(help="The receiver's public JWK or JWK Set, where documents come sealed.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, max=60, help="Seconds for each call.")] = 15,
    *,
    allow_loopback: Annotated[bool, typer.Option("--allow-loopback", help="A receiver on this machine.")] = False,
    new_keys: Annotated[bool, typer.Option("--new-keys", help="Draw keys for a test, print them, do nothing.")] = False,
    json: Json = False,
) -> None:
    """Play the mesh against a webhook endpoint, with test referrals only; exit 1 if a required case fails."""
    from services.cli.commands.conformance import Wish, run
    from services.cli.commands.conformance import new_keys as draw

    if new_keys:
        end(draw(json=json))
    if url is None:
        raise WrongUse("which endpoint? vidare conformance URL --secret-env NAME")
    end(run(Wish(url, secret_env, signing_key_env, agency, ca, encrypt_to, timeout, allow_loopback), json=json))


def main() -> None:
    """Run the command line; every error is one clear line, never a stack of calls."""
    for client in ("aiokafka", "asyncio"):  # what they complain of when a command ends early, we say ourselves
        logging.getLogger(client).addHandler(logging.NullHandler())
    try:
        app(prog_name="vidare")
    except Misconfigured as error:
        _say(error, EX_CONFIG)
    except WrongUse as error:
        _say(error, EX_USAGE)
    except Unavailable as error:
        _say(f"{error.what} does not answer; start it (`vidare up`), or name another in VIDARE_KAFKA", EX_CONFIG)
    except VidareError as error:
        _say(error, NO)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(NO)
    except OSError as error:
        if error.filename is None:
            raise
        told = f"{error.filename}: {error.strerror}; see that it can be used, or set VIDARE_HOME to another folder"
        _say(told, EX_CONFIG)


def _say(error: VidareError | str, code: int) -> None:
    sys.stderr.write(f"vidare: {error}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
