"""Which broker: the first way that works, decided from what probes say about this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from services.chassis.errors import Misconfigured
from services.cli.broker.java import OLDEST

How = Literal["given", "docker", "java"]

INSTALL = f"apt-get install openjdk-{OLDEST}-jre-headless maven"
NAME_ONE = "or name a running broker in VIDARE_KAFKA"


@dataclass(frozen=True)
class Probes:
    """Questions to the machine; each is asked only when its answer matters (the first may take a minute)."""

    docker: Callable[[], str | None]
    """Why Docker can't serve, or None if it can."""
    java: Callable[[], int | None]
    """Major version of Java, or None."""
    jars: Callable[[], bool]
    maven: Callable[[], bool]


@dataclass(frozen=True)
class Choice:
    """The way taken, and why in one line for a person."""

    how: How
    why: str


def choose(kafka: str | None, before: How | None, probes: Probes) -> Choice:
    """
    Take the first that applies: a named broker, the way that holds this home's records, Docker, Java.

    Args:
        kafka: The bootstrap servers that ``VIDARE_KAFKA`` names.
        before: How this home's broker ran last time: another way would start with empty topics.
        probes: What this machine can do.

    Raises:
        Misconfigured: None applies; says what to install.
    """
    if kafka:
        return Choice("given", f"broker: {kafka}, because VIDARE_KAFKA names it")
    if before == "java" and _lack(probes) is None:
        return Choice("java", "broker: Java, because this home's records are in its data folder")
    no_docker = probes.docker()
    if no_docker is None:
        return Choice("docker", "broker: Docker, because its daemon answers and has the image")
    lack = _lack(probes)
    if lack is None:
        return Choice("java", f"broker: Java {probes.java()}, because {no_docker}")
    msg = f"no broker can be started: {no_docker} and {lack}; install what is missing ({INSTALL}), {NAME_ONE}"
    raise Misconfigured(msg)


def _lack(probes: Probes) -> str | None:
    """Return what keeps Java from running the broker; None if nothing does."""
    major = probes.java()
    if major is None:
        return f"there is no Java {OLDEST} or newer"
    if major < OLDEST:
        return f"Java is version {major}, older than {OLDEST}"
    if not probes.jars() and not probes.maven():
        return "there is no Maven to fetch Kafka's jars with"
    return None
