"""A hop process from its start to its end: tasks, turns, transactions, crashes."""
