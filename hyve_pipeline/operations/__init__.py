"""The verbs of a sync, in plain Python: inventory, diff, plan, apply, verify.

Each joins what S3 answers with what is kept on disk. Nothing here knows Dagster or the terminal.
"""
