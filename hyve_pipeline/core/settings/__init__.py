"""The configuration: its model, its checks, reading and writing it."""
