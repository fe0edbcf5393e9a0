"""What `hyve ui` runs: Dagster's servers, and the gate before the web server."""
