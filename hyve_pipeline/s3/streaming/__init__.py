"""Copies that read from one server and write to another."""
