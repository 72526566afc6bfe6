"""What every service shares: settings, logs, metrics, health, Kafka clients, the live registry."""
