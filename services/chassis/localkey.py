"""A key of this mesh: given by a setting, else drawn once and kept where only this user reads it."""

import os
import secrets
from pathlib import Path

from services.chassis.errors import Misconfigured

KEY_BYTES = 32
ENOUGH_BYTES = 16
"""Shorter keys can be guessed."""


def local_key(path: Path, given: str | None, *, setting: str, what: str) -> bytes:
    """
    The key *given* by *setting*, else the one in *path*, which is made if it is missing.

    Raises:
        Misconfigured: The key (*what* names it) is too short, or its file can be neither read nor made.
    """
    if given is not None:
        return _enough(given.encode(), setting, what)
    try:
        if not path.exists():
            _make(path)
        return _enough(path.read_bytes(), str(path), what)
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read or made; check VIDARE_HOME and its rights") from error


def _make(path: Path) -> None:
    """Write the file whole or not at all: of several processes that start at once, one key wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its key is the key
    finally:
        draft.unlink()


def _enough(key: bytes, where: str, what: str) -> bytes:
    if len(key) < ENOUGH_BYTES:
        raise Misconfigured(f"{where}: {what} has {len(key)} bytes; give at least {ENOUGH_BYTES}")
    return key
