"""Checkpoints: the engine's state in Kafka, so that another worker goes on exactly where this one stood.

A checkpoint of a partition is a set of chunks (state of a range of slots) and a manifest that names them with their
checksums, the last offset that is in the state, and the versions it was judged with. Chunks are delivered before their
manifest, and a record is acknowledged after the manifest that covers it: a crash at any moment leaves the newest
complete manifest, from which the rest of the log gives the same signals again.
"""
