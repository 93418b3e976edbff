"""Operators' orders, replays, and agencies that were removed."""
