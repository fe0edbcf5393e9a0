"""Following a sync by the events of its source, between its plans of all keys."""
