"""Copies made by the server."""
