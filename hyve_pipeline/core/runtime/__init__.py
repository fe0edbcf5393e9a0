"""Services of the running process: interruption, progress, atomic writes."""
