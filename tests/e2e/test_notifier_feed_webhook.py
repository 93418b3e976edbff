"""Feed numbers on the wire: the headers of a webhook, at a real listener."""

from services.notifier.channels.guard import public_or_loopback
from services.notifier.channels.webhook import WebhookEffects
from services.notifier.onboarded import Onboarded
from tests.support.notifier_listener import listening, says
from tests.support.notifier_orders import OrderedWorld
from tests.support.notifier_world import a_referral, an_agency


def heard(request: bytes) -> dict[str, str]:
    """The header fields of a request."""
    head = request.partition(b"\r\n\r\n")[0].decode().lower()
    return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


async def test_a_webhook_carries_number_and_previous_in_headers() -> None:
    """Whoever is pushed to follows a sealed document too: the number, and the digest of the one before it."""
    async with listening(says(b"HTTP/1.1 204 No Content\r\n\r\n")) as (port, requests):
        agency = an_agency(webhook={"url": f"http://127.0.0.1:{port}/x", "secret": "env:HMAC"})
        world = OrderedWorld(agency)
        for number in (1, 2):
            world.refer(a_referral(number))
        effects = WebhookEffects(Onboarded({agency.id: agency}), lambda _: "plain words", may=public_or_loopback)
        try:
            for _, effect in world.sent:
                await effects.perform(effect)
        finally:
            await effects.close()
    first, second = map(heard, requests)

    assert ("1", None) == (first["vidare-feed-number"], first.get("vidare-feed-previous"))
    assert ("2", world.row(a_referral(1).referral_id)["digest"]) == (
        second["vidare-feed-number"],
        second["vidare-feed-previous"],
    )
