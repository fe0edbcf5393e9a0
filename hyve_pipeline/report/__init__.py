"""The report of a plan: pictures, and an HTML page."""
