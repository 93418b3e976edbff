"""The key of the group ids: given, else drawn once and kept where only this user reads it."""

from services.chassis.localkey import local_key
from services.chassis.settings import Settings

FILE = "group.key"


def group_key(settings: Settings) -> bytes:
    """
    The key: ``VIDARE_GROUP_KEY``, else ``VIDARE_HOME/group.key``, which is made if it is missing.

    Raises:
        Misconfigured: The key is too short, or its file can be neither read nor made.
    """
    return local_key(settings.home / FILE, settings.group_key, setting="VIDARE_GROUP_KEY", what="the group key")
