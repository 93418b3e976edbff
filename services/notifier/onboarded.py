"""Which agencies this notifier can reach, and what is wrong with a record before anything is sent."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from contracts.onboarding import Agency, EmailChannel, WebhookChannel
from contracts.vocabulary import ChannelName
from services.chassis.errors import Misconfigured
from services.chassis.onboarding import Agencies, leaves
from services.notifier.channels.email_message import is_address
from services.notifier.documents.sealing import JweSealer, Sealer


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
        self.sealer: Sealer = JweSealer.of(records.values())
        """Seals with the keys that the records name; they were read and tried when this was made."""

    @classmethod
    def of(cls, agencies: Agencies) -> "Onboarded":
        """The records as they were read from ``agencies.toml``."""
        return cls(agencies.records, agencies.hold_countries)

    def reachable(self, agency: str) -> Agency | None:
        """The record of *agency* where a referral may go to it: onboarded, active, and not under legal hold."""
        record = self.records.get(agency)
        if record is None or not (record.active or record.test) or record.hold or record.country in self._hold:
            return None
        return record

    def receiver(self, agency: str, *, is_test: bool) -> Agency | None:
        """The same for one referral: a test never goes to a live endpoint, nor anything else to a test endpoint."""
        record = self.reachable(agency)
        return record if record is not None and fits(record, is_test=is_test) else None


def fits(agency: Agency, *, is_test: bool) -> bool:
    """Tell whether the endpoints of *agency* are for such a referral; what stays on this machine is for both."""
    return is_test if agency.test else not (is_test and leaves(agency))


def check_offered(agency: Agency) -> None:
    """
    Refuse a record that this version cannot serve as its agency expects.

    Raises:
        Misconfigured: Names the agency, the field and what to do.
    """
    where = f"agencies.toml, agency {agency.id!r}"
    if agency.email is not None:
        _check_email(where, agency.email)
    if agency.webhook is not None and ChannelName.WEBHOOK in agency.channels:
        _check_webhook(where, agency)


def mail_warnings(agency: Agency, *, has_relay: bool) -> Iterator[str]:
    """What will not stop the notifier, but an operator should know before a notice is due."""
    if agency.email is None or ChannelName.EMAIL not in agency.channels:
        return
    if agency.email.host is None and not has_relay:
        yield "no mail server: set VIDARE_SMTP, or host in its email record; until then its mails wait"
    reads = agency.encrypt_to or agency.token or set(agency.channels) - {ChannelName.EMAIL}
    if not reads:
        yield "it is told of referrals that it cannot read: add encrypt_to or token to its record"


def in_clear_text(hook: WebhookChannel) -> bool:
    """Tell whether what is sent to *hook* would leave this machine readable by everyone on the way."""
    address = urlsplit(hook.url)
    return address.scheme == "http" and not _is_here(address.hostname or "")


def webhook_warnings(agency: Agency) -> Iterator[str]:
    """The same for a webhook: one bad address must not stop the mesh for all others."""
    if agency.webhook is not None and ChannelName.WEBHOOK in agency.channels and in_clear_text(agency.webhook):
        yield "its webhook.url is http, so its referrals would leave in clear text: they wait; give an https address"


def _check_email(where: str, email: EmailChannel) -> None:
    for name, address in (("to", email.to), ("from", email.sender)):
        if not is_address(address):
            raise Misconfigured(
                f"{where}: email.{name} must be one plain address such as desk@agency.example, without a name, "
                "a comment, quotes or spaces; domains in ASCII"
            )
    if email.ca is not None and not Path(email.ca).is_file():
        raise Misconfigured(f"{where}: email.ca names a file that is not there")
    if (email.username is None) != (email.password is None):
        raise Misconfigured(f"{where}: email.username and email.password go together; give both or neither")
    if email.username is not None and (email.host is None or not email.starttls):
        raise Misconfigured(
            f"{where}: email.username is for the record's own host, behind STARTTLS; name host, and leave starttls on "
            "(for the mesh's own server set VIDARE_SMTP_USERNAME)"
        )
    if not email.starttls and email.host is not None and not _is_here(email.host):
        raise Misconfigured(
            f"{where}: email.starttls is off, so notices would leave this machine in clear text; turn it on"
        )


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


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
