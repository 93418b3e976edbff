"""When a process that ended is started again."""

LONGEST_S = 10.0
STEADY_S = 60.0
"""A process that ran this long was well: its earlier deaths no longer count."""


def restart_delay(deaths: int) -> float:
    """Return the seconds to wait after the *deaths*-th death in a row: 0, 0.5, 1, 2, 4, 8, then 10."""
    if deaths <= 1:
        return 0.0
    return min(LONGEST_S, 0.5 * 2.0 ** (deaths - 2))


def deaths_in_a_row(before: int, ran_s: float) -> int:
    """Count one more death; a process that ran long enough starts from one."""
    return 1 if ran_s >= STEADY_S else before + 1
