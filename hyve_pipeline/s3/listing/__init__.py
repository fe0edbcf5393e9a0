"""Listing a bucket completely."""
