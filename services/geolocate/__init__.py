"""Where an indicator points: evidence of independent sources, then a verdict with confidence."""
