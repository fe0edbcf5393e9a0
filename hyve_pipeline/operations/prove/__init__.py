"""A proof to keep: what is equal, and how that is known."""
