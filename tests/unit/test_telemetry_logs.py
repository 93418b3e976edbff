"""Logs: one closed JSON object a line, and nothing of a tip whatever somebody logs."""

import io
import json
import logging
from typing import Any

import pytest

from contracts.vocabulary import DeadReason
from services.chassis.errors import Poison
from services.chassis.telemetry.logs import configure, logger, safe_text


@pytest.fixture
def out() -> io.StringIO:
    """Where the lines go."""
    stream = io.StringIO()
    configure("test", "debug", stream=stream)
    return stream


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """The lines, parsed."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_says_who_and_when(out: io.StringIO) -> None:
    """Every line has time, service, level and event."""
    logger().info("task ready", task="3", records=17)

    (line,) = lines(out)
    assert {key: line[key] for key in ("service", "level", "event", "task", "records")} == {
        "service": "test", "level": "info", "event": "task ready", "task": "3", "records": 17,
    }  # fmt: skip
    assert line["at"].endswith("Z")


def test_an_unlisted_key_is_named_and_left_out(out: io.StringIO) -> None:
    """A key outside the list loses its value, visibly."""
    logger().info("refused", narrative="neutral words", reason="media_refused")

    assert lines(out)[0]["dropped"] == ["narrative"]
    assert "neutral" not in out.getvalue()


@pytest.mark.parametrize("content", ["https://host.example/a", "192.0.2.7", "someone@mail.example", "f" * 64])
def test_a_value_that_looks_like_content_is_left_out(out: io.StringIO, content: str) -> None:
    """A listed key does not let an address, URL, mail address or hash through."""
    logger().warning("odd", reason=content, what=f"it was {content}")

    assert content not in out.getvalue()
    assert "left out" in lines(out)[0]["reason"]


def test_control_characters_cannot_make_a_line_or_a_colour(out: io.StringIO) -> None:
    """Line breaks, escape sequences and text direction marks are written as escapes."""
    logger().info("x", reason="a\nb\x1b[31mred\u202e\u2028")

    assert len(out.getvalue().splitlines()) == 1
    assert lines(out)[0]["reason"] == "a\\u000ab\\u001b[31mred\\u202e\\u2028"


def test_a_long_value_is_cut() -> None:
    """No value is longer than 200 characters."""
    assert len(safe_text("word " * 100)) == 200


def test_a_traceback_has_no_values_and_no_message(out: io.StringIO) -> None:
    """An exception is told by class, files and lines: neither its text nor local variables."""
    secret = "neutral canary"
    try:
        raise Poison(DeadReason.NOT_JSON) from ValueError(secret)  # noqa: TRY301
    except Poison:
        logger().exception("hop failed")

    line = lines(out)[0]
    assert (line["error"], line["level"]) == ("Poison", "error")
    assert any("test_telemetry_logs.py" in place for place in line["where"])
    assert secret not in out.getvalue()
    assert "poison: " not in out.getvalue()


def test_a_library_is_heard_without_what_it_quotes(out: io.StringIO) -> None:
    """Warnings of libraries keep their pattern and lose their arguments."""
    logging.getLogger("some.library").warning("cannot parse %r", b"a tip's bytes")

    (line,) = lines(out)
    assert (line["name"], line["what"]) == ("some.library", "cannot parse %r")
    assert "bytes" not in out.getvalue()


def test_the_level_is_kept(out: io.StringIO) -> None:
    """Below the level that was set nothing is written."""
    configure("test", "warning", stream=out)
    logger().info("quiet")

    assert out.getvalue() == ""
