"""Which broker is taken, decided from answers alone."""

import pytest

from services.chassis.errors import Misconfigured
from services.cli.broker.choose import How, Probes, choose

NO_DAEMON = "no Docker daemon answers"


def machine(*, docker: str | None = NO_DAEMON, java: int | None = 17, jars: bool = False, maven: bool = True) -> Probes:
    """Return a machine that has Java and Maven but no Docker, except where told otherwise."""
    return Probes(docker=lambda: docker, java=lambda: java, jars=lambda: jars, maven=lambda: maven)


def never() -> str | None:
    """Fail: this question takes a minute and its answer does not matter."""
    pytest.fail("Docker was asked")


@pytest.mark.parametrize(
    ("kafka", "before", "probes", "how"),
    [
        ("127.0.0.1:9092", None, machine(docker=None), "given"),
        (None, None, machine(docker=None), "docker"),
        (None, None, machine(docker=None, java=None), "docker"),
        (None, None, machine(), "java"),
        (None, None, machine(java=25, jars=True, maven=False), "java"),
        (None, "java", machine(docker=None), "java"),
        (None, "java", machine(docker=None, java=None), "docker"),
    ],
)
def test_the_first_way_that_applies_is_taken(kafka: str | None, before: How | None, probes: Probes, how: How) -> None:
    """A named broker, then the way that holds this home's records, then Docker, then Java."""
    assert how == choose(kafka, before, probes).how


@pytest.mark.parametrize(("kafka", "before"), [("127.0.0.1:9092", None), (None, "java")])
def test_docker_is_not_asked_without_need(kafka: str | None, before: How | None) -> None:
    """Nobody waits for a pull whose answer would change nothing."""
    probes = Probes(docker=never, java=lambda: 17, jars=lambda: True, maven=lambda: False)

    assert choose(kafka, before, probes).how in {"given", "java"}


def test_the_choice_says_why() -> None:
    """The line names what was taken and what stood in the way of the one before it."""
    assert choose(None, None, machine()).why == "broker: Java 17, because no Docker daemon answers"


@pytest.mark.parametrize(
    ("probes", "lack"),
    [
        (machine(java=None), "there is no Java 17 or newer"),
        (machine(java=11), "Java is version 11, older than 17"),
        (machine(maven=False), "there is no Maven"),
    ],
)
def test_without_any_way_one_sentence_says_what_to_install(probes: Probes, lack: str) -> None:
    """The refusal names what is missing, the command that installs it, and the way around."""
    with pytest.raises(Misconfigured) as refused:
        choose(None, None, probes)

    told = str(refused.value)
    assert lack in told
    assert NO_DAEMON in told
    assert "apt-get install openjdk-17-jre-headless maven" in told
    assert "VIDARE_KAFKA" in told
    assert "\n" not in told
