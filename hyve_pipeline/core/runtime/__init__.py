"""The process at work: interruption, progress, atomic writes."""
