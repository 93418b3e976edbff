"""
Fixtures: a real Kafka broker for the tests that need one.

``kafka``: one for the whole session: the one that VIDARE_KAFKA names, else a testcontainer where Docker answers and
has the image, else a Java process. ``kafka_broker``: a private Java process, for tests that kill or restart it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from services.cli.broker import LocalBroker, docker
from services.cli.broker.ports import free_ports
from services.cli.broker.properties import TEMPLATE, container_environment
from services.cli.broker.wire import answers, wait_until

CONTAINER_WITHIN_S = 60.0
CHOSEN = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """Bootstrap servers of the session's broker; what was started is stopped."""
    named = os.environ.get("VIDARE_KAFKA")
    no_docker = None if named else docker.why_not(pull=False)
    if named:
        pytestconfig.stash[CHOSEN] = f"{named}, because VIDARE_KAFKA names it"
        yield named
    elif no_docker is None:
        pytestconfig.stash[CHOSEN] = f"testcontainers with {docker.image()}"
        yield from _container()
    else:
        pytestconfig.stash[CHOSEN] = f"a Java process; testcontainers SKIPPED: {no_docker}"
        yield from _started(LocalBroker(tmp_path_factory.mktemp("kafka")))


@pytest.fixture
def kafka_broker(tmp_path: Path) -> Iterator[LocalBroker]:
    """Give a private running broker, to be killed and started again at will."""
    broker = LocalBroker(tmp_path / "kafka")
    for _ in _started(broker):
        yield broker


@pytest.fixture(scope="module")
def module_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a broker for one file of tests: what others wrote is not in its topics."""
    yield from _started(LocalBroker(tmp_path_factory.mktemp("kafka")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which broker the tests had, above all what was left out."""
    chosen = config.stash.get(CHOSEN, None)
    if chosen is not None:
        terminalreporter.write_line(f"kafka: {chosen}")


def _started(broker: LocalBroker) -> Iterator[str]:
    try:
        yield broker.start()
    finally:
        broker.stop()


def _container() -> Iterator[str]:
    testcontainers_config.ryuk_disabled = True  # its image can't be pulled everywhere; the fixture stops what it starts
    ports = free_ports()
    container = DockerContainer(docker.image())
    container.ports[f"{ports.client}/tcp"] = ("127.0.0.1", ports.client)  # type: ignore[assignment] # docker-py's own form
    for key, value in container_environment(TEMPLATE.read_text(), ports).items():
        container = container.with_env(key, value)
    with container:
        assert wait_until(lambda: answers(ports.bootstrap), timeout_s=CONTAINER_WITHIN_S), "the container stays silent"
        yield ports.bootstrap
