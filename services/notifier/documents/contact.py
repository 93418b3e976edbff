"""Who a report in a foreign format says it is from: the mesh's own desk, never a person of a tip."""

from typing import NamedTuple

from services.chassis.errors import Misconfigured
from services.chassis.settings import Settings


class Contact(NamedTuple):
    """An organisation and the one mailbox that answers for it."""

    org: str
    email: str

    @property
    def domain(self) -> str:
        """Where the mailbox lies."""
        return self.email.rpartition("@")[2]


DEMO = Contact("Vidare demo mesh", "reports@vidare.example")
"""While every channel stays on this machine."""


def contact_of(settings: Settings) -> Contact:
    """
    Who we are.

    Raises:
        Misconfigured: Somebody real is onboarded, and nobody is named.
    """
    org, email = settings.reporter_org, settings.reporter_email
    if org and email:
        return Contact(org, email)
    if settings.demo_agencies:
        return DEMO
    raise Misconfigured(
        "a report to a provider names who sends it: set VIDARE_REPORTER_ORG and VIDARE_REPORTER_EMAIL to the "
        "organisation that answers for this mesh and its mailbox, then start again"
    )
