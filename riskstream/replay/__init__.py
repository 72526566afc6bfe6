"""The replay command: its options, where its readings come from, and what it prints and writes."""
