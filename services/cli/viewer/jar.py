"""
Zipkin's jar: fetched once by Maven, checked against the digest below, kept in the cache beside Kafka's jars.

The jar is there whole or not at all: Maven writes into a folder beside it, which takes its name only after the
digest was right. A second start needs neither Maven nor a network.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from services.chassis.errors import Misconfigured
from services.cli.broker.jars import cache as kafka_cache
from services.cli.broker.say import Say

VERSION = "3.5.1"
ARTIFACT = f"io.zipkin:zipkin-server:{VERSION}:jar:exec"
FILE = f"zipkin-server-{VERSION}-exec.jar"
SHA256 = "7ac633a6832647e71e50012a5e3e91fbc7054414955261724526030faf271d8d"
"""Of the jar on Maven Central. After a change of version: fetch it with the goal below, then sha256sum."""
GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
FETCH_WITHIN_S = 900
"""131 MB: 10 s from Maven Central over a quick line, minutes over a slow one."""


def jar_path() -> Path:
    """Where the jar lies, whether or not it is there yet."""
    return kafka_cache().with_name(f"zipkin-{VERSION}") / FILE


def ensure_jar(say: Say) -> Path:
    """
    Return the jar; fetch it first if this machine has none.

    Raises:
        Misconfigured: Maven is missing, could not fetch it, or fetched another file than this version was made for.
    """
    jar = jar_path()
    if not jar.is_file():
        say(f"viewer: fetching Zipkin {VERSION} from Maven Central, once (131 MB) ...")
        _fetch_into(jar.parent)
    return jar


def _fetch_into(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
        fresh = Path(name) / "jar"
        fresh.mkdir()
        _copy(fresh)
        check(fresh / FILE)
        try:
            fresh.rename(folder)
        except OSError:
            if not (folder / FILE).is_file():  # else another start was quicker, with the same digest
                raise


def _copy(target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        msg = f"the trace viewer is not in {jar_path()} and there is no Maven to fetch it: apt-get install maven"
        raise Misconfigured(msg)
    command = [maven, "-q", "-B", "-Dstyle.color=never", GOAL, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={target}"]
    try:
        done = subprocess.run(
            command,
            cwd=target,  # a pom.xml where the user stands is none of ours
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_WITHIN_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        msg = f"Maven did not fetch the trace viewer within {FETCH_WITHIN_S} s; is Maven Central reachable?"
        raise Misconfigured(msg) from None
    if done.returncode != 0:
        first = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason given")
        raise Misconfigured(f"Maven could not fetch the trace viewer ({first.strip()}); is Maven Central reachable?")


def check(jar: Path) -> None:
    """
    Hold *jar* against the digest that this version was made for.

    Raises:
        Misconfigured: It is another file, or none.
    """
    got = hashlib.sha256(jar.read_bytes()).hexdigest() if jar.is_file() else None
    if got != SHA256:
        raise Misconfigured(f"Maven fetched another {FILE} than this version was made for; nothing was kept")
