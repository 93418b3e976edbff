"""A process that was told something wrong ends with 78 and one line, without what it was told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "command",
    [
        "intake door",
        "intake hop",
        "geolocate door",
        "geolocate hop",
        "router door",
        "router hop",
        "notifier door",
        "notifier hop",
        "custody door",
    ],
)
@pytest.mark.parametrize(("name", "value"), [("VIDARE_DNS", "perhaps"), ("VIDARE_SMTP_PASSWORD", "perhaps")])
def test_a_wrong_setting_ends_a_process_with_one_line(command: str, name: str, value: str, tmp_path: Path) -> None:
    """The line names the setting and never repeats the value: it may be a secret in the wrong place."""
    service, mode = command.split()
    told = {"VIDARE_HOME": str(tmp_path), "VIDARE_KAFKA": "127.0.0.1:1", name: value}
    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}", mode],
        env=os.environ | told, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"{name}: ")
    assert value not in done.stderr + done.stdout
