"""Keeps a broker of our own alive: one that was killed is started again, at the address that its clients know."""

import contextlib
import os
import signal
import threading
import time

from services.chassis.errors import Misconfigured
from services.cli.backoff import deaths_in_a_row, restart_delay
from services.cli.broker.local import LocalBroker
from services.cli.broker.ports import is_free
from services.cli.broker.say import Say

TICK_S = 0.25
LET_GO_S = 0.2


class Keeper:
    """
    Looks after one Java broker from a thread of its own, from `start` to `stop`.

    The data folder is the same, so nothing that a client was told is durable is lost.
    """

    def __init__(self, broker: LocalBroker, say: Say) -> None:
        """Name the broker, which runs; nobody looks after it yet."""
        self._broker = broker
        self._bootstrap = broker.bootstrap
        self._say = say
        self._halt = threading.Event()
        self._starting = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="broker-keeper", daemon=True)

    def start(self) -> None:
        """Begin to look after it."""
        self._thread.start()

    def stop(self) -> None:
        """Look after it no more; a start that is under way is broken off, so that nobody waits for it."""
        self._halt.set()
        while self._thread.is_alive():
            pid = self._broker.pid
            if pid is not None and self._starting.is_set():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._thread.join(LET_GO_S)

    def _keep(self) -> None:
        deaths, since, due = 0, time.monotonic(), None
        while not self._halt.wait(TICK_S):
            if self._broker.running:
                continue
            if due is None:
                deaths = deaths_in_a_row(deaths, time.monotonic() - since)
                due = time.monotonic() + self._told(restart_delay(deaths))
            elif time.monotonic() >= due:
                since, due = time.monotonic(), None
                self._again()

    def _told(self, wait_s: float) -> float:
        self._say(f"broker: it ended, starts again in {wait_s:.1f} s; its last words are in {self._broker.log}")
        return wait_s

    def _again(self) -> None:
        if not is_free(int(self._bootstrap.rpartition(":")[2])):  # at another its clients would look for it in vain
            self._say(f"broker: another program took {self._bootstrap}; it must end before the broker can be back")
            return
        self._starting.set()
        try:
            self._broker.start()
        except Misconfigured as error:
            if not self._halt.is_set():
                self._say(f"broker: {error}")
        finally:
            self._starting.clear()
