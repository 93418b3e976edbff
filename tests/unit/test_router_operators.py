"""Which URL of a tip is the business of a proxy's operator."""

from contracts.events import ReferralRouted
from tests.support.router_world import Room, told
from tests.support.tips import a_tip, edge, host


def test_r17_the_operator_is_told_of_the_url_behind_it_and_others_of_none() -> None:
    """The first URL behind its own network, wherever it stands in the tip; no other destination has one of its own."""
    behind = [edge().model_copy(update={"target": f"/urls/{number}"}) for number in (2, 3)]
    address = edge("cdn-other").model_copy(update={"target": "/addresses/0"})
    sent = told(Room().locate(a_tip(host("NL"), *behind, address)))
    urls = {name: ReferralRouted.model_validate(body).url for name, body in sent.items()}

    assert urls.pop("cdn-cloudflare") == 2
    assert urls
    assert set(urls.values()) == {None}
