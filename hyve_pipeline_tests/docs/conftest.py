"""The fixtures of the command line."""

from hyve_pipeline_tests.cli.conftest import hyve, make_pair, own_environment

__all__ = ["hyve", "make_pair", "own_environment"]
