"""Takes the inventory of a bucket."""
