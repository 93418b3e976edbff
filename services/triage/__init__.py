"""
How fast a tip must travel, and how complete it is: pure, shared by intake and router.

`triage` answers per kind of destination, because a wave of one old file is
little news for the police while the live copy still has to go.
"""

from services.triage.actionability import actionability
from services.triage.codes import codes_of
from services.triage.deadlines import acknowledge_by, dispatch_target
from services.triage.levels import Triage, triage, urgent
from services.triage.text import language_unknown, text_signals

__all__ = [
    "Triage",
    "acknowledge_by",
    "actionability",
    "codes_of",
    "dispatch_target",
    "language_unknown",
    "text_signals",
    "triage",
    "urgent",
]
