"""The definitions of one sync."""
