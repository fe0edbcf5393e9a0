"""A thin layer for Dagster: the names of a sync's operations there, how they are launched, and their metadata."""
