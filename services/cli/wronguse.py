"""Wrong use of a command: what was asked for cannot be understood or is not there."""

from services.chassis.errors import VidareError

EX_USAGE = 2


class WrongUse(VidareError):
    """A file cannot be read, or a name stands for nobody; says what, and what there is. Ends with exit code 2."""
