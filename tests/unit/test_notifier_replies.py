"""What SMTP says at the end of an attempt: every reply has one verdict; values only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import labels
from services.notifier.delivering.verdicts import REPLIES, Fault, Verdict, of_end, of_reply, reason


@pytest.mark.parametrize("code", sorted(REPLIES))
def test_a_well_known_reply_has_the_verdict_of_its_class(code: int) -> None:
    """2xx is taken, 4xx is tried again, 5xx is parked at once; none of the table steps out of its class."""
    expected = {2: Verdict.DELIVERED, 4: Verdict.TRANSIENT, 5: Verdict.PERMANENT}[code // 100]

    assert expected is REPLIES[code] is of_reply(code) is of_end(None, None, code)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        *((code, Verdict.TRANSIENT) for code in (421, 450, 451, 452)),
        *((code, Verdict.PERMANENT) for code in (550, 551, 553, 554)),
        (250, Verdict.DELIVERED),
    ],
)
def test_the_replies_that_matter_most(code: int, verdict: Verdict) -> None:
    """Busy, greylisted and full are tried again; no such mailbox is not; 250 after the message is delivered."""
    assert verdict is of_reply(code)


@given(code=st.integers(-1000, 100_000).filter(lambda code: code not in REPLIES))
def test_any_other_number_is_delivered_never(code: int) -> None:
    """By its first digit a person must look or it is tried again; junk is never taken for a yes."""
    assert of_reply(code) is (Verdict.PERMANENT if 500 <= code <= 599 else Verdict.TRANSIENT)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NO_CHANNEL])
def test_a_fault_after_a_yes_is_tried_again(fault: Fault) -> None:
    """E69: a connection that breaks leaves the outcome unknown, whatever was said before."""
    assert (Verdict.TRANSIENT, fault.value) == (of_end(None, fault, 250), reason(None, fault, 250))


@pytest.mark.parametrize("code", sorted(REPLIES))
def test_every_well_known_reply_is_a_listed_label(code: int) -> None:
    """The metric of attempts names it; nobody's words become a label."""
    assert reason(None, None, code) in labels.ENDS


def test_every_fault_is_a_listed_label() -> None:
    """The same for what cuts an attempt off."""
    assert {fault.value for fault in Fault} == set(labels.FAULTS)
