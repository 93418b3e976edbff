"""The demo: what it publishes, who answers, and what it shows."""
