"""Applying a plan, shard by shard."""
