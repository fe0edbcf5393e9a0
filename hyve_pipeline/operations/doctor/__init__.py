"""Checking that a sync can work."""
