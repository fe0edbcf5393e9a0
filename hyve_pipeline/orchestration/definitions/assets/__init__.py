"""The assets of one sync, from the source bucket to the store; one module a step of the flow."""
