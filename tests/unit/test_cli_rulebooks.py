"""``vidare rules activate`` as values: what is published, in which order, and what is refused before any broker."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from contracts import topics
from contracts.events import CustodyEntry
from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.cli.commands.activate import activate, published
from services.cli.signed import actor_of, whoever
from services.router.rules.rulebook import load_rulebook
from tests.support.router_world import SETTINGS

NOW = datetime(2026, 11, 22, 9, 15, tzinfo=UTC)


def test_a_book_lies_under_its_digest_before_it_is_named_active() -> None:
    """Text, activation and custody entry, in this order and in one transaction; the entry is one of the contract."""
    path = SETTINGS.rulebook_file
    book = load_rulebook(path)

    text, active, entry = published(book, path.read_bytes(), "sha256:old", "anna", NOW)

    assert (text.topic, text.key, text.value) == (topics.RULEBOOKS, book.digest.encode(), path.read_bytes())
    assert (active.topic, active.key) == (topics.RULEBOOKS, b"active")
    assert orjson.loads(active.value or b"") == {"digest": book.digest, "before": "sha256:old"}
    said = CustodyEntry.model_validate_json(entry.value or b"")
    assert (said.kind, said.actor, said.tip) == ("policy.changed", "person:anna", None)
    assert said.basis == {"rulebook": "default", "before": "sha256:old", "after": book.digest}


def test_a_book_that_cannot_be_proven_is_refused_before_a_broker_is_asked(tmp_path: Path) -> None:
    """File, line and reason; nothing is looked up or written."""
    path = tmp_path / "dead.toml"
    text = SETTINGS.rulebook_file.read_text(encoding="utf-8")
    never = '{ all = [{ fact = "urgent", equals = true }, { fact = "priority", equals = "P3" }] }'
    path.write_text(text.replace('{ fact = "scene.at", equals = "home" }', never, 1), encoding="utf-8")

    with pytest.raises(Misconfigured, match=r"dead\.toml:\d+: R03 is dead"):
        activate(Settings(home=tmp_path, kafka="127.0.0.1:1"), path, by="anna")


def test_somebody_always_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name given, else the account's, which is no person's and says so; a blank is no name."""
    monkeypatch.setenv("LOGNAME", "bo")

    assert (whoever(" anna "), whoever(None), whoever("  ")) == ("anna", "login:bo", "login:bo")
    assert (actor_of(whoever("anna")), actor_of(whoever(None))) == ("person:anna", "login:bo")
