"""The thin command line: what the user types, what is printed, and the exit code."""
