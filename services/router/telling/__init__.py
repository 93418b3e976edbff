"""A decision in words: recorded, explained, told again."""
