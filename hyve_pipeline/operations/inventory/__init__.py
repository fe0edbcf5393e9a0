"""Taking an inventory of a bucket."""
