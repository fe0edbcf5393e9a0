"""Hyve beside s5cmd, rclone and the AWS CLI, at the same work on the same server: ``python -m benchmarks``."""
