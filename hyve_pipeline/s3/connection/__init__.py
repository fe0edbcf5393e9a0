"""A connection to one bucket, and the transports below it."""
