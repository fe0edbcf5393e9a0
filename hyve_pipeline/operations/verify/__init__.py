"""Comparing the store with a plan."""
