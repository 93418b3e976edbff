"""The broker's settings as values: one template serves the Java process and the container."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import ROOT

DEPLOY = ROOT / "deploy" / "broker"
TEMPLATE = DEPLOY / "server.properties.template"

CLUSTER_ID = "MkxFNR96S-CyfihfdiY-AA"
"""Of containers; a volume stays readable as long as it doesn't change. No two of these clusters ever talk."""

CONTAINER_DATA = "/var/lib/kafka/data"
"""Where the public image keeps its logs, writable for its own user."""


@dataclass(frozen=True)
class Ports:
    """The two loopback ports of one node."""

    client: int
    controller: int

    @property
    def bootstrap(self) -> str:
        """What clients are given."""
        return f"127.0.0.1:{self.client}"


def render(template: str, ports: Ports, data: str) -> str:
    """Fill *template* with ports and the data folder."""
    return (
        template.replace("@port@", str(ports.client))
        .replace("@controller_port@", str(ports.controller))
        .replace("@data@", data)
    )


def parse(text: str) -> dict[str, str]:
    """Read ``key=value`` lines; comments and blank lines are left out."""
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#") and "=" in line]
    return {key.strip(): value.strip() for key, value in pairs}


def ports_of(properties: Mapping[str, str]) -> Ports | None:
    """Return the ports that a rendered file names; None if it names none."""
    ends = [listener.rpartition(":")[2] for listener in properties.get("listeners", "").split(",")]
    if len(ends) != 2 or not all(end.isdigit() for end in ends):
        return None
    return Ports(client=int(ends[0]), controller=int(ends[1]))


def container_environment(template: str, ports: Ports) -> dict[str, str]:
    """
    Express the template as the ``KAFKA_*`` variables of the public image.

    Inside the container the listeners are open; the host publishes the client port on loopback only.
    """
    inside = parse(render(template, ports, CONTAINER_DATA)) | {
        "listeners": f"PLAINTEXT://:{ports.client},CONTROLLER://127.0.0.1:{ports.controller}",
    }
    settings = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in inside.items()}
    return settings | {"CLUSTER_ID": CLUSTER_ID, "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m"}


def read_ports(path: Path) -> Ports | None:
    """Return the ports of an earlier start from its ``server.properties``."""
    return ports_of(parse(path.read_text())) if path.is_file() else None
