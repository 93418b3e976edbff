"""What a newcomer meets when something is wrong: one clear line and the right exit code, never a stack of calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.commands.demo import called
from services.cli.commands.dlq import topics_of
from services.cli.commands.explain import run
from services.cli.context import load_settings
from services.cli.wronguse import WrongUse


def vidare(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, with nothing of this process's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VIDARE_")}
    command = [sys.executable, "-m", "services.cli", *words]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [("demo",), ("up",), ("broker", "start")])
def test_a_home_that_cannot_be_written_is_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    """A folder that cannot be made is bad configuration: named, with what to set."""
    (tmp_path / "file").write_text("")
    done = vidare(*words, VIDARE_HOME=str(tmp_path / "file" / "home"))

    assert done.returncode == 78
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "file") in done.stderr
    assert "VIDARE_HOME" in done.stderr


def test_a_broker_that_does_not_answer_is_one_line() -> None:
    """The client's own complaint is not added to ours."""
    done = vidare("reconcile", "--json", VIDARE_KAFKA="127.0.0.1:1")

    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "vidare: the broker at 127.0.0.1:1 does not answer; start it (`vidare up`), or name another in VIDARE_KAFKA"
    ]


def test_an_expectation_of_no_submission_is_not_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--expect` over a file that holds nothing answers no: a check of nothing must not pass."""
    (empty := tmp_path / "empty.jsonl").write_text("\n")

    assert run(load_settings(), [str(empty)], "ecpat-se", expect="hotline-nl") == 1
    assert "no submission" in capsys.readouterr().err
    assert run(load_settings(), [str(empty)], "ecpat-se") == 0


def test_dead_letters_are_listed_of_one_topic_or_of_all() -> None:
    """`vidare dlq list TOPIC` takes the same names as show and replay."""
    assert topics_of("tips-received") == ["tips-received-dlq"]
    assert len(topics_of(None)) > 5
    with pytest.raises(WrongUse):
        topics_of("nope")


def test_a_hint_can_be_typed_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `make demo` the command is not on the path: the hint names it as it lies below this folder."""
    program = tmp_path / ".venv" / "bin" / "vidare"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert called(str(program)) == ".venv/bin/vidare"

    monkeypatch.setenv("PATH", str(program.parent))
    assert called(str(program)) == "vidare"
