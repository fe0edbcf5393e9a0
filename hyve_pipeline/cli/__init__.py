"""The thin command line: what a person types, what is printed, and the exit code."""
