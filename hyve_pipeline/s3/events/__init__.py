"""The queue that gets a bucket's events."""
