"""What the tests need and nobody else: builders of values, brokers, receivers."""
