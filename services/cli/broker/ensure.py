"""A broker for this home: find the running one, or choose a way and start it."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.chassis.errors import Misconfigured, Unavailable
from services.chassis.settings import Settings
from services.cli.broker import docker, jars
from services.cli.broker.choose import Choice, How, Probes, choose
from services.cli.broker.docker import DockerBroker
from services.cli.broker.java import find_java
from services.cli.broker.local import LocalBroker
from services.cli.broker.say import Say, to_stderr
from services.cli.broker.state import State, read_state
from services.cli.broker.wire import answers, wait_until

GIVEN_WITHIN_S = 10.0
"""How long a broker named by VIDARE_KAFKA may need to answer."""


@dataclass(frozen=True)
class Broker:
    """A broker that answers, and whether this process started it."""

    bootstrap: str
    how: How
    owned: bool
    why: str
    end: Callable[[], None]
    java: LocalBroker | None = None
    """The Java process, where this process started it: whoever stays looks after it (`Keeper`)."""

    def stop(self) -> None:
        """Stop it if this process started it; leave every other one alone."""
        if self.owned:
            self.end()


@dataclass(frozen=True)
class Status:
    """What ``vidare broker status`` says."""

    running: bool
    bootstrap: str | None
    how: How | None
    pid: int | None = None
    container: str | None = None
    data: str | None = None


def ensure_broker(settings: Settings, *, say: Say = to_stderr) -> Broker:
    """
    Return a broker that answers; start one if VIDARE_KAFKA names none and this home runs none.

    Raises:
        Misconfigured: The named one does not answer, or none can be started; says what to do.
    """
    state = None if settings.kafka else _running(settings)
    if state is not None:
        why = f"broker: {state.bootstrap}, because this home's broker runs already"
        say(why)
        return Broker(_broker(state.how, settings, say).start(), state.how, owned=False, why=why, end=_nothing)
    choice = choose(settings.kafka, _before(settings), probes(say))
    say(choice.why)
    return _given(choice, settings.kafka) if settings.kafka else _started(choice, settings, say)


def status(settings: Settings) -> Status:
    """Say which broker this home has and whether it answers; starts nothing."""
    if settings.kafka:
        return Status(running=answers(settings.kafka), bootstrap=settings.kafka, how="given")
    state = _running(settings)
    if state is None:
        return Status(running=False, bootstrap=None, how=None)
    return Status(
        running=answers(state.bootstrap),
        bootstrap=state.bootstrap,
        how=state.how,
        pid=state.pid,
        container=state.container,
        data=state.data,
    )


def stop_broker(settings: Settings) -> bool:
    """Stop this home's broker, whoever started it; True if one was running."""
    state = _running(settings)
    if state is not None:
        _broker(state.how, settings, to_stderr).stop()
    return state is not None


def probes(say: Say) -> Probes:
    """Return the questions to this very machine."""

    def java() -> int | None:
        found = find_java()
        return found.major if found else None

    return Probes(docker=lambda: docker.why_not(say), java=java, jars=jars.has_jars, maven=jars.has_maven)


def _running(settings: Settings) -> State | None:
    state = read_state(settings.home)
    return state if state is not None and _broker(state.how, settings, to_stderr).running else None


def _before(settings: Settings) -> Literal["java"] | None:
    local = LocalBroker(settings.home)
    return "java" if (local.data / "meta.properties").is_file() else None


def _given(choice: Choice, kafka: str) -> Broker:
    if not wait_until(lambda: answers(kafka), timeout_s=GIVEN_WITHIN_S, every_s=0.25):
        msg = f"nothing answers at {kafka}, which VIDARE_KAFKA names; start that broker, or unset VIDARE_KAFKA"
        raise Misconfigured(msg)
    return Broker(kafka, "given", owned=False, why=choice.why, end=_nothing)


def _started(choice: Choice, settings: Settings, say: Say) -> Broker:
    try:
        broker = _broker(choice.how, settings, say)
        bootstrap = broker.start()
        # Another process may have started it between our look and our turn at the lock: then it is that one's to end.
        java = broker if broker.launched and isinstance(broker, LocalBroker) else None
        return Broker(bootstrap, choice.how, owned=broker.launched, why=choice.why, end=broker.stop, java=java)
    except Unavailable as error:  # Docker promised and did not keep it: the next way
        failed = f"{error.what} did not serve"
    second = choose(None, None, dataclasses.replace(probes(say), docker=lambda: failed))
    say(second.why)
    return _started(second, settings, say)


def _broker(how: How | None, settings: Settings, say: Say) -> LocalBroker | DockerBroker:
    return DockerBroker(settings.home, say=say) if how == "docker" else LocalBroker(settings.home, say=say)


def _nothing() -> None:
    """End nothing: it is somebody else's."""
