"""The core: what an inventory, a diff, a plan and a journal are, and the rules between them.

Nothing here sends a request or imports Dagster.
"""
