"""
Intake: the only way in; bytes that nobody has looked at end here, as a tip or as a reasoned no.

`check_submission` is the same decision for the door, the hop and the command
line, as far as it needs no memory.
"""

from services.intake.check import Accepted, Refused, check_submission
from services.intake.groupkey import group_key

__all__ = ["Accepted", "Refused", "check_submission", "group_key"]
