"""Names, partitions and what all definitions share."""
