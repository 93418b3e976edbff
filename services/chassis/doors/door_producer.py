"""How a door appends to an inbox, by a name that does not say which broker it is."""

from services.chassis.broker.kafka_door import DoorProducer

__all__ = ["DoorProducer"]
