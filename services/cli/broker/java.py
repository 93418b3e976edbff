"""The Java on this machine and the version it says it has."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OLDEST = 17
"""Kafka 4 runs its broker on Java 17 and newer."""


@dataclass(frozen=True)
class Java:
    """One Java runtime."""

    path: str
    major: int


def find_java() -> Java | None:
    """Return the Java of ``JAVA_HOME``, else of the path; None if there is none that starts."""
    home = os.environ.get("JAVA_HOME")
    named = str(Path(home) / "bin" / "java") if home else None
    for path in filter(None, (named and shutil.which(named), shutil.which("java"))):
        major = _ask(path)
        if major is not None:
            return Java(path, major)
    return None


def major_version(told: str) -> int | None:
    """Read the major version out of what ``java -version`` prints (``"17.0.15"`` is 17, ``"1.8.0_392"`` is 8)."""
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(found[1]) if found else None


def _ask(path: str) -> int | None:
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return major_version(done.stderr + done.stdout)
