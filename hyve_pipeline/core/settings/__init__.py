"""The configuration: its model and checks, and how it is read and written."""
