"""One module per command: plain functions that answer with an exit code; the command line is wired elsewhere."""
