"""The geolocate door, asked through HTTP in one process."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

from services.chassis.telemetry.export import Exporter
from services.chassis.telemetry.metrics import Metrics
from services.chassis.telemetry.tracing import DoorTracing
from services.geolocate.door import door
from services.geolocate.geodata import Geodata
from tests.support.geodata import NAMED, demo_geodata, write_source

TODAY = date(2026, 11, 22)


class Nowhere:
    """A sink that keeps nothing."""

    name = "nowhere"

    def write(self, spans: Sequence[bytes]) -> None:
        """Let *spans* go."""

    def close(self) -> None:
        """Nothing to do."""


def client_of(geodata: Geodata) -> AsyncClient:
    """A client on this machine of the door over *geodata*."""
    metrics = Metrics()
    tracing = DoorTracing(Exporter(Nowhere(), on_drop=lambda reason, count: None), metrics, "geolocate-door")  # noqa: ARG005
    transport = ASGITransport(door(geodata, tracing, today=lambda: TODAY))
    return AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.fixture
def client() -> AsyncClient:
    """The door over the synthetic databases."""
    return client_of(demo_geodata())


async def test_an_address_and_a_url_are_answered_with_the_credit_that_is_due(client: AsyncClient) -> None:
    """Evidence and verdict, and the link that the licence of one source asks for."""
    by_ip = await client.get("/v1/locate", params={"ip": NAMED["NL"]})
    by_url = await client.get("/v1/locate", params={"url": f"http://{NAMED['SE']}/x"})

    assert (by_ip.status_code, by_ip.json()["country"]) == (200, "NL")
    assert by_url.json()["country"] == "SE"
    assert "https://db-ip.com/" in by_ip.headers["Link"]


@pytest.mark.parametrize("params", [{}, {"ip": "1.2.3.4", "url": "http://a.test/"}, {"url": "x" * 40_000}])
async def test_a_wrong_question_is_refused_without_repeating_it(client: AsyncClient, params: dict[str, str]) -> None:
    """A problem document that holds nothing of what was asked."""
    answer = await client.get("/v1/locate", params=params)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "a.test" not in answer.text
    assert answer.json()["code"] == "invalid_field"


async def test_an_odd_question_is_answered(client: AsyncClient) -> None:
    """Nonsense is no address; that is the answer."""
    assert (await client.get("/v1/locate", params={"ip": "nonsense"})).json()["flags"] == ["bad_address"]


async def test_health_says_what_is_open(client: AsyncClient) -> None:
    """Ready with the builds; metrics in Prometheus text."""
    ready = await client.get("/ready")

    assert (ready.status_code, ready.json()["warnings"]) == (200, [])
    assert "test-ipfire" in ready.json()["builds"]
    assert (await client.get("/live")).status_code == 200
    assert (await client.get("/metrics")).headers["content-type"].startswith("text/plain")


async def test_e36_without_a_source_it_is_not_ready_and_an_old_one_only_warns(tmp_path: Path) -> None:
    """E36: 503 only where it cannot work; age stands in the body."""
    empty = client_of(Geodata(lambda: tmp_path))
    assert (await empty.get("/ready")).status_code == 503
    assert (await empty.get("/v1/locate", params={"ip": "192.0.2.7"})).status_code == 503

    write_source(tmp_path / "old.mmdb", {"193.10.0.0/16": "SE"}, kind="Vidare-Country", epoch=1_700_000_000)
    old = await client_of(Geodata(lambda: tmp_path)).get("/ready")
    assert old.status_code == 200
    assert old.json()["warnings"][0].startswith("alarm: old was built on 2023-11-14")


async def test_another_site_cannot_ask_through_a_name_that_points_here(client: AsyncClient) -> None:
    """Only this machine's own names are served."""
    answer = await client.get("/v1/locate", params={"ip": "192.0.2.7"}, headers={"Host": "evil.test"})

    assert answer.status_code == 400
