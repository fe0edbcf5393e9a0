"""The pure core: what an inventory, a diff, a plan and a journal are, and the rules that hold between them.

Nothing here speaks S3 and nothing here knows Dagster.
"""
