"""The operations of a sync, in plain Python: inventory, diff, plan, apply, verify.

They combine responses of S3 with the state on disk. Nothing here imports Dagster or uses the terminal.
"""
