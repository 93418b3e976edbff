"""Which agencies this notifier can reach, and what is wrong with a record before anything is sent."""

from collections.abc import Mapping
from pathlib import Path

from contracts.onboarding import Agency
from contracts.vocabulary import ChannelName
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import Agencies


class Onboarded:
    """The onboarding records, checked for what this version offers."""

    def __init__(self, records: Mapping[str, Agency], hold_countries: frozenset[str] = frozenset()) -> None:
        """
        Check every record.

        Raises:
            Misconfigured: A record asks for what is not offered; says which and what to do.
        """
        self.records = dict(records)
        self._hold = hold_countries
        for agency in records.values():
            check_offered(agency)

    @classmethod
    def of(cls, agencies: Agencies) -> "Onboarded":
        """The records as they were read from ``agencies.toml``."""
        return cls(agencies.records, agencies.hold_countries)

    def reachable(self, agency: str) -> Agency | None:
        """The record of *agency* where a referral may go to it: onboarded, active, and not under legal hold."""
        record = self.records.get(agency)
        if record is None or not record.active or record.hold or record.country in self._hold:
            return None
        return record


def check_offered(agency: Agency) -> None:
    """
    Refuse a record that this version cannot serve as its agency expects.

    Raises:
        Misconfigured: Names the agency, the field and what to do.
    """
    where = f"agencies.toml, agency {agency.id!r}"
    if set(agency.channels) == {ChannelName.EMAIL}:
        raise Misconfigured(
            f"{where}: e-mail is its only channel, and e-mail is not offered in this version; "
            "add webhook, topic or pull to channels"
        )
    if agency.encrypt_to is not None:
        raise Misconfigured(
            f"{where}: encrypt_to is set, and encrypted documents are not offered in this version; "
            "referrals would leave in clear text, so remove the agency or the field"
        )
    if agency.webhook is not None and ChannelName.WEBHOOK in agency.channels:
        _check_webhook(where, agency)


def _check_webhook(where: str, agency: Agency) -> None:
    hook = agency.webhook
    if hook is None:
        return
    if hook.secret is None and hook.signing_key is None:
        raise Misconfigured(
            f"{where}: webhook has neither secret nor signing_key, so nothing it gets could be verified; add one"
        )
    if hook.pinned_sha256 is not None and not _is_digest(hook.pinned_sha256):
        raise Misconfigured(f"{where}: webhook.pinned_sha256 is not the SHA-256 of a certificate (64 hex digits)")
    if hook.client_key is not None and not hook.client_key.startswith("file:"):
        raise Misconfigured(f"{where}: webhook.client_key must be file:PATH, for TLS reads it from a file")
    for name in ("ca", "client_cert"):
        path = getattr(hook, name)
        if path is not None and not Path(path).is_file():
            raise Misconfigured(f"{where}: webhook.{name} names a file that is not there")


def _is_digest(text: str) -> bool:
    plain = text.replace(":", "")
    return len(plain) == 64 and all(digit in "0123456789abcdefABCDEF" for digit in plain)
