"""Runs that commands make in their own process."""
