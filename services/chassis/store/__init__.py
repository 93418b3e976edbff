"""What a task remembers: rows, their changelog, timers."""
