"""Processes beside this one that share its work."""
