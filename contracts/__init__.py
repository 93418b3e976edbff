"""What the parties have agreed on: models, topics, headers, closed lists. Knows nobody."""
