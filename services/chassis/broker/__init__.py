"""The broker behind one port: the client and its in-memory twin."""
