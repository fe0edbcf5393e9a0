"""Copies by jobs of S3 Batch Operations."""
