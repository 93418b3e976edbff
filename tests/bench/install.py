"""Gets the peers ready in the cache, each through its own package manager; what can't be had is named and left out."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent / "peers"
CACHE = Path(os.environ.get("VIDARE_CACHE", Path.home() / ".cache" / "vidare")) / "bench"
MINUTES = 600
"""Seconds that one package manager may take; Bento's Go modules are the slowest."""


def available() -> list[str]:
    """Names of the peers that can run here, after trying to install each."""
    CACHE.mkdir(parents=True, exist_ok=True)
    ready = []
    for name, install in (("streams", _streams), ("bento", _bento), ("faststream", _faststream)):
        try:
            install()
        except (OSError, subprocess.SubprocessError) as error:
            print(f"peer {name} SKIPPED: {error}", file=sys.stderr, flush=True)
        else:
            ready.append(name)
    return ready


def _run(command: list[str], folder: Path | None = None) -> None:
    print("installing:", " ".join(command[:4]), "...", file=sys.stderr, flush=True)
    subprocess.run(command, cwd=folder, check=True, timeout=MINUTES, stdout=subprocess.DEVNULL)


def _streams() -> None:
    home = CACHE / "streams"
    if (home / "classes" / "peer" / "GeoHop.class").exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(HERE / "streams", Path(folder) / "streams"))
        libs = f"-DoutputDirectory={home / 'libs'}"
        _run(["mvn", "-q", "compile", "dependency:copy-dependencies", libs, "-DincludeScope=runtime"], copy)
        shutil.copytree(copy / "target" / "classes", home / "classes", dirs_exist_ok=True)


def _bento() -> None:
    if (CACHE / "bento").exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(HERE / "bento", Path(folder) / "bento"))
        _run(["go", "mod", "tidy"], copy)
        _run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(CACHE / "bento"), "."], copy)


def _faststream() -> None:
    home = CACHE / "faststream"
    if (home / "ready").exists():
        return
    venv.create(home, with_pip=True)
    _run(
        [str(home / "bin" / "pip"), "install", "-q", "faststream[kafka,otel]==0.7.8", "maxminddb", "opentelemetry-sdk"]
    )
    (home / "ready").touch()
