"""Options that several commands share."""

from typing import Annotated, NoReturn

import typer

Json = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]
Sender = Annotated[str, typer.Option("--as", help="Id of the partner who sends, from partners.toml.")]
Topic = Annotated[str, typer.Argument(help="The topic, with or without its ending -dlq.")]
TopicOrAll = Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="One topic only; all if not given.")]


def end(code: int) -> NoReturn:
    """End the command with *code*."""
    raise typer.Exit(code)
