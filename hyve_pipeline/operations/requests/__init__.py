"""Many requests in flight: retries, routes and rules of copies."""
