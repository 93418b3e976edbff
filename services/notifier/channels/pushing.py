"""Every pushed channel as the one port the hop has: an attempt goes to the channel that its effect names."""

from collections.abc import Mapping

from contracts.onboarding import Agency
from contracts.vocabulary import ChannelName
from services.chassis.hop import Effect, Effects, Told
from services.notifier.delivering.attempt import Asked, AttemptEnd, tell
from services.notifier.delivering.verdicts import Fault
from services.notifier.onboarded import fits


class Pushing:
    """The `Effects` of the notifier's hop."""

    def __init__(self, channels: Mapping[ChannelName, Effects]) -> None:
        """Send by *channels*."""
        self._channels = {name.value: channel for name, channel in channels.items()}

    async def perform(self, effect: Effect) -> Told:
        """Make the attempt and tell how it ended; what no channel sends comes back at once."""
        channel = self._channels.get(effect.kind)
        if channel is None:
            return tell(effect.key, AttemptEnd(fault=Fault.NO_CHANNEL))
        return await channel.perform(effect)


def barred(agency: Agency, asked: Asked, channel: ChannelName) -> Fault | None:
    """Why nothing may leave for *agency* by *channel*, as its record stands now; None: it may."""
    if asked.is_test is not None and not fits(agency, is_test=asked.is_test):
        return Fault.REFUSED_ADDRESS  # the record has changed since: a test stays away from it
    return None if channel in agency.channels else Fault.NO_CHANNEL
