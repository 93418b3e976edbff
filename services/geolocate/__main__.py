"""``python -m services.geolocate door|hop [--id N]``: wiring only."""

import argparse
import os
import sys
from collections.abc import Sequence

from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.onboarding import load_partners
from services.chassis.running.process import run_hop
from services.chassis.settings import Settings, load_settings
from services.chassis.telemetry.logs import configure
from services.chassis.telemetry.recording import hop_recorder, installed_version
from services.geolocate.geodata import Geodata
from services.geolocate.hop import NAME, GeolocateHop
from services.geolocate.names import resolver_of
from services.geolocate.watch import Watch

PORT = 8102


def main(arguments: Sequence[str]) -> int:
    """Run the door or a hop until SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m services.geolocate")
    parser.add_argument("mode", choices=("door", "hop"))
    parser.add_argument("--id", default=os.environ.get("VIDARE_PORT"), help="which of several hop processes this is")
    given = parser.parse_args(arguments)
    try:
        settings = load_settings()
        configure(f"{NAME}-{given.mode}", settings.log_level)
        return run_door(settings) if given.mode == "door" else run(settings, f"{NAME}-{given.id}" if given.id else None)
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return EX_CONFIG


def run_door(settings: Settings) -> int:
    """Serve the door."""
    # A hop process needs none of this, and is 13 MiB smaller without it.
    from services.chassis.doors.serving import serve  # noqa: PLC0415
    from services.chassis.telemetry.tracing import DoorTracing  # noqa: PLC0415
    from services.geolocate.door import door  # noqa: PLC0415

    geodata, tracing = Geodata.of(settings), DoorTracing.of(settings, f"{NAME}-door")
    watch = Watch(geodata, tracing.metrics)
    watch.start()
    app = door(geodata, tracing, resolver=resolver_of(settings))
    port = int(os.environ.get("VIDARE_PORT", PORT))
    serve(app, settings.host, port)
    watch.stop()
    tracing.close()
    return 0


def run(settings: Settings, member: str | None) -> int:
    """Run one hop process."""
    geodata = Geodata.of(settings)
    recorder = hop_recorder(settings, NAME, member)
    watch = Watch(geodata, recorder.metrics)
    watch.start()
    hop = GeolocateHop(
        lambda: geodata.current,
        load_partners(settings),
        partitions=settings.partitions,
        resolver=resolver_of(settings),
        version=installed_version(),
    )
    port = os.environ.get("VIDARE_PORT")
    code = run_hop(
        hop,
        settings,
        member=member,
        port=int(port) if port else None,
        recorder=recorder,
        metrics=recorder.metrics.render,
    )
    watch.stop()
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
