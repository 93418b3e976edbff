"""
E68, E79 and 91 on real machinery: the notifier is killed at every named step, told to stop, and cut off from its log.

Referrals keep coming meanwhile, for webhooks and for mailboxes. One broker serves all
three tests, and what each checks is everything that was sent so far: a notifier of the
next test takes over, from the topics alone, what the one before it left.
"""

import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from contracts.vocabulary import Priority
from services.cli.broker import LocalBroker
from tests.chaos.kill_steps import STEPS
from tests.chaos.killed_notifier import LINES, ROUNDS, home_of, steps_of
from tests.support import notifier_site
from tests.support.notifier_site import WITHIN_S, Site, check
from tests.support.oracle import Reader

ALL_STEPS_S = 200.0 * ROUNDS


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """A broker for this file."""
    made = LocalBroker(tmp_path_factory.mktemp("kafka"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def site(broker: LocalBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The agencies."""
    with notifier_site.site(broker.bootstrap, tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.mark.timeout(300 * ROUNDS)
def test_e68_killed_at_every_step_the_notifier_loses_and_doubles_nothing(site: Site) -> None:
    """E68: kill -9 at thirty steps from poll to digest, while referrals come; one effect, one feed record each."""
    site.digests = True
    site.run("killed", "tests.chaos.killed_notifier")
    home, end = site.mesh.home / "killed", time.monotonic() + ALL_STEPS_S
    wanted = {line: steps_of(line) for line in range(LINES)}
    while (reached := {line: _lines(site, line) for line in wanted}) != wanted:
        left = {line: steps[len(reached[line]) :] for line, steps in wanted.items()}
        assert time.monotonic() < end, f"not reached: {left}; not arrived: {len(site.sent.keys() - site.arrived)}"
        site.beat()
    site.work_until_started(1)

    check(site)
    ends = Counter((home / "ends").read_text().split("\n")[:-1])
    assert {f"{line} {-signal.SIGKILL}": len(steps) for line, steps in wanted.items()} == ends
    assert {*STEPS} == {step for steps in reached.values() for step in steps}
    assert max(site.office.copies.values()) > 1, "no mail was taken twice, so nothing was ambiguous"
    site.digests = False


def _lines(site: Site, line: int) -> list[str]:
    """The steps that *line* has come to."""
    file = home_of(site.mesh.home / "killed", line) / "steps"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.timeout(200)
def test_t91_told_to_stop_in_the_middle_of_work_it_ends_clean_and_goes_on(site: Site) -> None:
    """91: SIGTERM, SIGTERM twice, SIGKILL while referrals come: exits 0, 0 and -9, and nothing is lost or doubled."""
    site.run("told")
    site.work_until_started(1)
    assert 0 == site.signal(signal.SIGTERM)
    site.work_until_started(2)
    assert 0 == site.signal(signal.SIGTERM, times=2)
    site.work_until_started(3)
    assert -signal.SIGKILL == site.signal(signal.SIGKILL)
    site.work_until_started(4)

    check(site)


def _close_custody(site: Site, *, closed: bool) -> None:
    """Let the broker refuse everything for the custody topic (no record is young enough), or take it again."""
    oldest = "0" if closed else str(2**63 - 1)
    entry = ConfigEntry("message.timestamp.before.max.ms", oldest, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, "custody", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": site.kafka})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


@pytest.mark.timeout(200)
def test_e79_while_the_custody_log_takes_nothing_no_referral_leaves(site: Site, broker: LocalBroker) -> None:
    """E79: neither webhook, mail nor feed, P0 neither; the notifier ends and begins again; then each goes out once."""
    site.run("told")
    if not site.sent:
        site.work_until_started(1)
    site.settled()
    _close_custody(site, closed=True)
    before, calls, mails = set(site.sent), dict(site.fleet.calls), Counter(site.office.copies)
    for agency in site.agencies:
        site.refer(agency, Priority.P0)
        site.refer(agency)
    site.producer.flush()
    began, end = site.worker.starts, time.monotonic() + WITHIN_S
    while site.worker.starts == began:
        assert time.monotonic() < end, "the notifier went on without its custody log"
        time.sleep(0.1)
    assert (calls, mails) == (site.fleet.calls, site.office.copies)
    reader = Reader(site.kafka, [f"referrals-agency-{agency}" for agency in {*site.sent.values()}])
    assert before == {one.json()["referral_id"] for one in reader.until(bool, seconds=30)}
    reader.close()
    _close_custody(site, closed=False)
    # The broker may have been refused its own mark of an aborted transaction, and tries that again only when it starts.
    broker.kill()
    broker.start()

    check(site)
