"""Riskstream on one machine: Kafka, Mosquitto, ClickHouse and the services as child processes."""
