"""Keeps one S3 bucket an exact, provable copy of another, from inside Dagster."""

__version__ = "0.1.0"
