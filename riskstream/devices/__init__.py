"""Devices that are not there: a simulated city, and a player of recordings, both sending over real MQTT and HTTP."""
