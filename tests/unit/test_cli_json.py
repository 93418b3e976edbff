"""What other programs are promised of the command line: every command has ``--json``."""

from collections.abc import Iterator

import pytest
from typer.main import get_command

from services.cli.__main__ import app
from tests.bench.__main__ import figures_of

Named = tuple[str, set[str]]


def leaves(command: object, name: str = "vidare") -> Iterator[Named]:
    """Every command below *command* that does something, with its options."""
    inner = getattr(command, "commands", {})
    for word, each in inner.items():
        yield from leaves(each, f"{name} {word}")
    if not inner:
        yield name, {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]


COMMANDS = list(leaves(get_command(app)))


def test_the_commands_are_found() -> None:
    """The walk sees groups and single commands."""
    assert {"vidare up", "vidare dlq replay", "vidare bench", "vidare geodata use"} <= {name for name, _ in COMMANDS}


@pytest.mark.parametrize(("name", "options"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_has_json(name: str, options: set[str]) -> None:
    """No command can be used by a person only."""
    assert "--json" in options, name


def test_a_benchmark_is_told_in_values() -> None:
    """A table of costs and a benchmark's own JSON become the same kind of thing."""
    assert figures_of("four databases       3.21 us\nwhole look-up   4.00 us\n") == {
        "four databases": 3.21,
        "whole look-up": 4.0,
    }
    assert figures_of('{"bare": {"per_second": 1.5}}\n') == {"bare": {"per_second": 1.5}}
