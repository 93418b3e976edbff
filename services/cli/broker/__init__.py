"""The broker that ``vidare`` runs when nobody names one: Kafka's own jars with Java, or its container image."""

from services.cli.broker.choose import How
from services.cli.broker.ensure import Broker, Status, ensure_broker, status
from services.cli.broker.keeper import Keeper
from services.cli.broker.local import LocalBroker

__all__ = ["Broker", "How", "Keeper", "LocalBroker", "Status", "ensure_broker", "status"]
