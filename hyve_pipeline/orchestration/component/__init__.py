"""A sync as a component of a Dagster project."""
