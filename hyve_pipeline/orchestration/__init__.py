"""Thin Dagster: what each verb of a sync is called there, how it is launched and what it shows."""
