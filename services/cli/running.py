"""A whole mesh on this machine: broker, topics, processes; started in order, stopped in the other."""

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings
from services.cli.broker import Keeper, ensure_broker
from services.cli.commands.topics import apply_topics
from services.cli.supervisor import Mesh

SMALL_CORES = 4
SMALL_PARTITIONS = 4
"""Tasks per hop on a small machine: each costs a transactional producer and a store."""

Say = Callable[[str], None]


def small_machine(settings: Settings, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return *settings* with fewer partitions on a machine of few cores, unless somebody chose their number."""
    chosen = (
        "VIDARE_PARTITIONS" in environment or settings.partitions != type(settings).model_fields["partitions"].default
    )
    if chosen or (os.cpu_count() or 1) > SMALL_CORES:
        return settings
    return settings.model_copy(update={"partitions": SMALL_PARTITIONS})


@contextmanager
def running(settings: Settings, say: Say, *, workers: int = 1) -> Iterator[Mesh]:
    """
    Run a mesh for the length of the block; whatever was started here is stopped at its end.

    Raises:
        Misconfigured: Another mesh runs in this home, or something of it cannot work; says what to do.
    """
    with ExitStack() as stack:
        stack.enter_context(alone(settings.home))
        broker = ensure_broker(settings, say=say)
        stack.callback(broker.stop)
        if broker.java is not None:
            keeper = Keeper(broker.java, say)
            stack.callback(keeper.stop)
            keeper.start()
        settings = settings.model_copy(update={"kafka": broker.bootstrap})
        started = time.monotonic()
        done = asyncio.run(apply_topics(settings))
        say(f"topics: {len(done)} created or changed in {time.monotonic() - started:.1f} s")
        mesh = Mesh(settings, workers, say=say)
        stack.callback(mesh.stop)
        started = time.monotonic()
        mesh.start()
        mesh.wait_ready()
        say(f"processes: {len(mesh.children)} ready after {time.monotonic() - started:.1f} s")
        yield mesh


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """
    Keep every other mesh out of *home* for the length of the block.

    Raises:
        Misconfigured: One runs there.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"a mesh runs in {home} already; end it first, or set VIDARE_HOME to another folder"
            raise Misconfigured(msg) from None
        yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, once: while things are being stopped, a second one waits."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
