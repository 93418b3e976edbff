"""The broker's settings: one template for the Java process and the container."""

from itertools import pairwise

import pytest

from services.cli.broker.docker import run_arguments
from services.cli.broker.java import major_version
from services.cli.broker.properties import TEMPLATE, Ports, container_environment, parse, ports_of, render

PORTS = Ports(client=21_001, controller=21_002)


def test_a_rendered_file_names_its_ports_again() -> None:
    """What a restart reads from the file is what the start before it wrote."""
    written = parse(render(TEMPLATE.read_text(), PORTS, "/somewhere/data"))

    assert ports_of(written) == PORTS
    assert written["log.dirs"] == "/somewhere/data"
    assert not [value for value in written.values() if "@" in value.replace("1@127.0.0.1", "")]


def test_the_java_process_listens_on_loopback_only() -> None:
    """No listener of the local broker is open to the network."""
    listeners = parse(render(TEMPLATE.read_text(), PORTS, "/d"))["listeners"].split(",")

    assert all("//127.0.0.1:" in listener for listener in listeners)
    assert len(listeners) == 2


def test_nobody_makes_topics_by_accident() -> None:
    """Topics exist by contract: neither the process nor the container makes one on demand."""
    assert parse(TEMPLATE.read_text())["auto.create.topics.enable"] == "false"
    assert container_environment(TEMPLATE.read_text(), PORTS)["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_the_container_has_the_settings_of_the_process() -> None:
    """Every line of the template reaches the container under the image's name for it."""
    environment = container_environment(TEMPLATE.read_text(), PORTS)
    missing = [
        key for key in parse(TEMPLATE.read_text()) if f"KAFKA_{key.upper().replace('.', '_')}" not in environment
    ]

    assert missing == []
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{PORTS.bootstrap}"


def test_the_container_is_published_on_loopback_only() -> None:
    """The one published port is bound to 127.0.0.1."""
    arguments = run_arguments("vidare-x", "apache/kafka:4.1.1", PORTS)
    published = [after for before, after in pairwise(arguments) if before == "--publish"]

    assert published == ["127.0.0.1:21001:21001"]


@pytest.mark.parametrize("broken", ["", "listeners=", "listeners=PLAINTEXT://127.0.0.1:x,CONTROLLER://127.0.0.1:1"])
def test_a_torn_file_names_no_ports(broken: str) -> None:
    """A file that a crash cut short is read as none."""
    assert ports_of(parse(broken)) is None


@pytest.mark.parametrize(
    ("told", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_392"', 8),
        ("The operation couldn't be completed.", None),
    ],
)
def test_the_version_of_java_is_read(told: str, major: int | None) -> None:
    """Old and new ways of writing it give the major version."""
    assert major_version(told) == major
