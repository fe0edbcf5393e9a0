"""Archived objects on request."""
