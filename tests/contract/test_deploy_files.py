"""What deploy/ ships is whole: files parse, images are pinned, every expression names a metric that exists."""

import importlib.util
import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import promql_parser
import pytest
import yaml

from contracts.telemetry import ATTRIBUTES, METRICS, RESOURCE, Metric

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "mesh.json").read_text())
ALERTS = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
EXPRESSIONS = sorted(
    {target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]} | {rule["expr"] for rule in ALERTS}
)
FROM_PROMETHEUS = {"up": ("job", "instance", "mode")}
_SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}


def _image(value: str) -> str:
    found = re.fullmatch(r"\$\{[A-Z_]+:-(.+)\}", value)
    return found[1] if found else value


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _selectors(node: object) -> Iterator[Any]:
    """Every vector selector below a node of promql-parser's tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector", "vs", "selector"):
        inner = getattr(node, name, None)
        if inner is not None:
            yield from _selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from _selectors(inner)


def _named(selector: Any) -> str:
    return str(selector.name)


def _metric(name: str) -> Metric | None:
    if name in METRICS:
        return METRICS[name]
    for suffix in _SUFFIXES["histogram"]:
        metric = METRICS.get(name.removesuffix(suffix))
        if name.endswith(suffix) and metric is not None and metric.type == "histogram":
            return metric
    return None


@pytest.mark.parametrize(
    "path", sorted(p for s in ("*.yaml", "*.yml") for p in DEPLOY.rglob(s)), ids=lambda p: str(p.relative_to(DEPLOY))
)
def test_every_yaml_file_parses(path: Path) -> None:
    """A file that does not parse would be found only when somebody needs it."""
    assert list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_image_is_pinned(name: str) -> None:
    """No image floats: what was tried is what runs."""
    tag = _image(COMPOSE["services"][name]["image"]).partition(":")[2]

    assert re.match(r"v?\d+(\.\d+)+", tag), f"{name} has no version"
    assert "latest" not in tag


def test_everything_is_published_on_loopback_only() -> None:
    """Nothing of the mesh is reachable from another machine unless somebody says so."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_compose_mounts_exists() -> None:
    """Every file or folder that is mounted is in the repository, every named volume is declared."""
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source


def test_every_process_of_the_mesh_is_in_compose() -> None:
    """Doors and hops of the four services, custody, and the demo agencies' end."""
    commands = {tuple(s["command"]) for s in COMPOSE["services"].values() if s["image"].startswith("vidare")}
    wanted = {
        (f"services.{name}", mode) for name in ("intake", "geolocate", "router", "notifier") for mode in ("door", "hop")
    }

    assert wanted | {("services.custody", "door")} <= commands


def test_the_base_image_can_be_replaced_and_nothing_runs_as_root() -> None:
    """Where nothing can be pulled a local base serves; the process has a user of its own."""
    text = (DEPLOY / "images" / "Dockerfile").read_text()

    assert "ARG BASE_IMAGE=" in text
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert all(re.match(r"FROM \$\{BASE_IMAGE\}", line) for line in text.splitlines() if line.startswith("FROM"))


def test_what_the_image_copies_exists() -> None:
    """A COPY of something that is not there would break the build only later."""
    text = (DEPLOY / "images" / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (DEPLOY.parent / source).exists(), source


def test_the_collector_lets_only_listed_attributes_pass() -> None:
    """The fence in the collector is the closed list of contracts/telemetry.py, no more and no less."""
    config = yaml.safe_load((DEPLOY / "otel" / "collector.yaml").read_text())

    assert config["processors"]["redaction"]["allow_all_keys"] is False
    assert set(config["processors"]["redaction"]["allowed_keys"]) == {*ATTRIBUTES, *RESOURCE}
    for pipeline in config["service"]["pipelines"].values():
        assert "redaction" in pipeline["processors"]
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(config[kind])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_parses_and_names_listed_metrics_and_labels(expression: str) -> None:
    """A panel or alert over a metric that nobody records would be silent for ever."""
    selectors = list(_selectors(promql_parser.parse(expression)))

    assert selectors
    for selector in selectors:
        name = _named(selector)
        metric = _metric(name)
        labels = FROM_PROMETHEUS.get(name, metric.labels if metric else None)
        assert labels is not None, f"{name} is no metric of contracts/telemetry.py"
        matchers = {matcher.name for matcher in selector.matchers.matchers}
        assert matchers <= set(labels), f"{name} has no label {matchers - set(labels)}"


def test_every_metric_name_in_an_expression_was_looked_at() -> None:
    """The walk over the tree of an expression misses no metric that its text names."""
    for expression in EXPRESSIONS:
        names = set(re.findall(r"vidare_[a-z_]+", expression))
        assert names == {n for n in map(_named, _selectors(promql_parser.parse(expression))) if n.startswith("vidare_")}


def test_the_dashboard_is_what_its_source_makes() -> None:
    """The page is generated; nobody edits the JSON by hand."""
    made: str = _load(DEPLOY / "grafana" / "make_dashboard.py").text()

    assert (DEPLOY / "grafana" / "dashboards" / "mesh.json").read_text() == made


def test_the_dashboard_fits_its_grid() -> None:
    """Panels have ids of their own, don't overlap, and each title is a question."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not taken & cells
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert "?" in panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_dashboard_and_datasources_fit_together() -> None:
    """Every datasource that a panel names is provisioned."""
    provisioned = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "mesh.yaml").read_text())
    uids = {source["uid"] for source in provisioned["datasources"]}

    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} <= uids


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    """Who is woken up is told what happened and what to do first."""
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["do"]


def test_promtool_accepts_configuration_and_rules() -> None:
    """Prometheus' own checker finds no fault."""
    promtool = shutil.which("promtool")
    if promtool is None:
        warnings.warn("promtool is not installed (apt-get install prometheus): rules were only parsed", stacklevel=1)
        pytest.skip("promtool is not installed")
    folder = DEPLOY / "prometheus"
    done = subprocess.run(
        [promtool, "check", "config", str(folder / "prometheus.yml")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
