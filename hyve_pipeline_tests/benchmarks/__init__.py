"""Tests of what the benchmarks make up."""
