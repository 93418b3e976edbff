"""The command line: every command is a thin shell over the services and their pure decisions."""
