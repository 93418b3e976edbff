"""
The main of a hop process.

Exit codes: 0 told to stop; 75 something broke (crash-only: start me again);
78 misconfigured (starting again will not help).
"""

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from functools import partial

import uvloop

from contracts import telemetry
from services.chassis.broker.kafka import KafkaBroker
from services.chassis.errors import EX_CONFIG, Misconfigured
from services.chassis.hop import Hop
from services.chassis.running.deadlimits import TooManyDeadLetters
from services.chassis.running.ends import Ends
from services.chassis.running.health import Health, HealthServer
from services.chassis.running.runner import Runner
from services.chassis.running.tuning import Tuning
from services.chassis.settings import Settings
from services.chassis.telemetry import logs
from services.chassis.telemetry.gauges import Gauges
from services.chassis.telemetry.recording import hop_recorder
from services.chassis.telemetry.spans import SpanRecorder
from services.chassis.telemetry.telemetry_port import MetricsText, Recorder

EX_CRASH = 75
STOP_S = 20.0
"""How long a graceful stop may take, the running transactions' deadline included."""


def run_hop(  # noqa: PLR0913 - what a process is made of
    hop: Hop, settings: Settings, *, member: str | None = None, port: int | None = None,
    recorder: Recorder | None = None, metrics: MetricsText | None = None, tuning: Tuning | None = None,
) -> int:  # fmt: skip
    """
    Run *hop* until it is told to stop or breaks; return the exit code.

    *member* is its place in the group: unique among live processes of the hop;
    the same name after a restart gets the same tasks at once.
    """
    logs.configure(hop.name, settings.log_level)
    recorder = recorder or hop_recorder(settings, hop.name, member)
    if metrics is None:
        metrics = recorder.metrics.render if isinstance(recorder, SpanRecorder) else lambda: b""
    try:
        bootstrap = _bootstrap(settings)
    except Misconfigured as error:
        logs.logger().error("misconfigured", reason=str(error), exit=EX_CONFIG)
        return EX_CONFIG
    main = partial(_main, hop, settings, bootstrap, member, port, recorder, metrics, tuning or Tuning())
    code = uvloop.run(main())
    if isinstance(recorder, SpanRecorder):
        recorder.close()
    return code


def _bootstrap(settings: Settings) -> str:
    if not settings.kafka:
        raise Misconfigured("no broker is named: set VIDARE_KAFKA, or start the mesh with `vidare up`")
    return settings.kafka


async def _main(  # noqa: PLR0913 - as run_hop
    hop: Hop, settings: Settings, bootstrap: str, member: str | None, port: int | None,
    recorder: Recorder, metrics: MetricsText, tuning: Tuning,
) -> int:  # fmt: skip
    runner = Runner(
        hop, KafkaBroker(bootstrap, tuning), tuning=tuning, recorder=recorder, home=settings.home, member=member
    )
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    health = HealthServer(lambda: health_of(runner), metrics)
    bound = await health.start(settings.host, port)
    logs.logger().info("hop starts", hop=hop.name, member=member or "", port=bound, pid=os.getpid())
    gauges = asyncio.create_task(_gauges(runner, recorder))
    ends = Ends(settings.home / "crashes" / hop.name / f"{member or hop.name}.ends.json")
    _count_crashes(hop.name, ends.begin(), recorder)
    runner.watchdog.guard_loop()
    work = asyncio.create_task(_work(runner))
    await asyncio.wait([work, asyncio.create_task(told.wait())], return_when=asyncio.FIRST_COMPLETED)
    gauges.cancel()
    if work.done():
        return _crash(work.exception(), recorder, ends)
    return await _stop(runner, work, recorder, ends)


async def _work(runner: Runner) -> None:
    await runner.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)
    await runner.run()


async def _stop(runner: Runner, work: asyncio.Task[None], recorder: Recorder, ends: Ends) -> int:
    """Finish, leave, go; whoever cannot finish in time is ended like a crash."""
    try:
        async with asyncio.timeout(STOP_S):
            await runner.stop()
    except Exception as error:  # noqa: BLE001 - whatever it is, the process ends
        return _crash(error, recorder, ends)
    work.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await work
    ends.end()
    logs.logger().info("stopped", exit=0)
    return 0


def _crash(error: BaseException | None, recorder: Recorder, ends: Ends) -> int:
    """
    End now, whatever is still open: the broker ends the transaction, the next start reads again.

    Nothing is closed in an orderly way: a half-dead client could hang, or commit.
    """
    code = EX_CONFIG if isinstance(error, Misconfigured) else EX_CRASH
    reason = str(error) if isinstance(error, Misconfigured | TooManyDeadLetters) else type(error).__name__
    where = logs.where_of(error) if error is not None else []
    logs.logger().error("ending the process", reason=reason, exit=code, where=where)
    if isinstance(recorder, SpanRecorder):
        with suppress(Exception):
            recorder.flush(1.0)
    if code == EX_CONFIG:
        ends.end()
    sys.stderr.flush()
    os._exit(code)


def _count_crashes(hop: str, crashes: int, recorder: Recorder) -> None:
    if isinstance(recorder, SpanRecorder):
        recorder.metrics.count(telemetry.CRASHES, crashes, hop=hop)


async def _gauges(runner: Runner, recorder: Recorder) -> None:
    if isinstance(recorder, SpanRecorder):
        await Gauges(runner, recorder.metrics).run()


def health_of(runner: Runner) -> Health:
    """What the probes answer: the tasks, what they wait for."""
    tasks = {name: "ready" if task.ready else "starting" for name, task in sorted(runner.tasks.items())}
    paused = [task.paused for task in runner.tasks.values() if task.paused]
    can_work = runner.ready and not (paused and len(paused) == len(runner.tasks))
    return Health(
        runner.watchdog.live and not runner.ended,
        can_work,
        {"tasks": tasks, "warnings": runner.warnings(), "lag": sum(runner.watchdog.lag.values())},
    )
