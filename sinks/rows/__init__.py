"""Pure mapping from the records of a topic to columns of a table; one module a record."""
