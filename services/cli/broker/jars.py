"""
Kafka's jars: fetched once by Maven, checked against the shipped digests, kept in a cache outside the project.

The cache is complete or absent: Maven writes into a folder beside it, which takes the cache's name only after
every digest was right. A second start needs neither Maven nor a network.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from services.chassis.errors import Misconfigured
from services.cli.broker.properties import DEPLOY
from services.cli.broker.say import Say

POM = DEPLOY / "pom.xml"
DIGESTS = DEPLOY / "jars.sha256"
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_WITHIN_S = 600
"""43 MB: 5 s from Maven's own cache, 20 s from Maven Central; minutes only behind a slow line."""


def kafka_version() -> str:
    """Return the version that ``pom.xml`` pins."""
    found = ET.parse(POM).getroot().findtext(".//{*}properties/{*}kafka.version")  # noqa: S314 - our own file
    if not found:
        msg = f"{POM} names no kafka.version"
        raise Misconfigured(msg)
    return found


def cache() -> Path:
    """Return the folder of the jars, whether or not they are there yet."""
    root = os.environ.get("VIDARE_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "vidare") / f"kafka-{kafka_version()}"


def has_jars() -> bool:
    """Return True if a start needs no Maven."""
    return cache().is_dir()


def has_maven() -> bool:
    """Return True if Maven is on the path."""
    return shutil.which("mvn") is not None


def ensure_jars(say: Say) -> Path:
    """
    Return the folder of the jars; fetch them first if this machine has none.

    Raises:
        Misconfigured: Maven is missing, could not fetch them, or fetched something else than was shipped with.
    """
    folder = cache()
    if not folder.is_dir():
        say(f"broker: fetching Kafka {kafka_version()} from Maven Central, once (43 MB) ...")
        _fetch_into(folder)
    return folder


def _fetch_into(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
        fresh = Path(name) / "jars"
        _copy_dependencies(fresh)
        _check(fresh)
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another start was quicker, with the same digests
                raise


def _copy_dependencies(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        msg = f"Kafka's jars are not in {cache()} and there is no Maven to fetch them: apt-get install maven"
        raise Misconfigured(msg)
    command = [maven, "-q", "-B", "-Dstyle.color=never", "-f", str(POM), GOAL, f"-Djars={target}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=FETCH_WITHIN_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        msg = f"Maven did not fetch Kafka's jars within {FETCH_WITHIN_S} s; is Maven Central reachable?"
        raise Misconfigured(msg) from None
    if done.returncode != 0:
        first = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason given")
        msg = f"Maven could not fetch Kafka's jars ({first.strip()}); is Maven Central reachable?"
        raise Misconfigured(msg)


def _check(folder: Path) -> None:
    wanted = {name: digest for digest, name in (line.split() for line in DIGESTS.read_text().splitlines())}
    got = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jar")}
    wrong = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
    if wrong:
        msg = f"Maven fetched other jars than {DIGESTS} lists: {', '.join(wrong)}; nothing was kept"
        raise Misconfigured(msg)
