"""The fixtures of the command line."""

from hyve_pipeline_tests.cli.conftest import empty_dagster_home, hasty_storage, hyve, make_pair, own_environment

__all__ = ["empty_dagster_home", "hasty_storage", "hyve", "make_pair", "own_environment"]
