"""Tests of reading the journal."""
