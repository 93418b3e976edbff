"""Faults on a real broker: kill -9, SIGSTOP, joins, leaves, restarts; the oracle is set equality."""
