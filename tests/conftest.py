"""Which modules of tests/support bring fixtures."""

pytest_plugins = ["tests.support.broker"]
