"""What Dagster shows of each event."""
