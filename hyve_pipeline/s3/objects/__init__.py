"""One request about one object, or a batch of them."""
