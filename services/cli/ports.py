"""Free loopback ports, each given once: the wanted one, or another where that is taken."""

from services.cli.broker.ports import FIRST, LAST, is_free


class Ports:
    """Gives every port at most once; call it with the wanted one or None."""

    def __init__(self) -> None:
        """Start with nothing given."""
        self._given: set[int] = set()
        self._next = iter(range(FIRST + 1_000, LAST + 1))

    def __call__(self, wanted: int | None) -> int:
        """Return *wanted* if it is free, else another free port."""
        port = wanted if wanted is not None and wanted not in self._given and is_free(wanted) else self._other()
        self._given.add(port)
        return port

    def _other(self) -> int:
        return next(port for port in self._next if port not in self._given and is_free(port))
