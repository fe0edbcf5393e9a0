"""The assets of one sync, from the source bucket to the store; one module for each step."""
