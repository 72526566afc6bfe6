"""Contracts: kinds of sensors, topics, records, and the codec. Imports no other package of the project."""
