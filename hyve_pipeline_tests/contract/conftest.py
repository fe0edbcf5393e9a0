"""The command line and syncs, as the tests of the commands have them."""

from hyve_pipeline_tests.cli.conftest import (
    empty_dagster_home,
    faulty,
    hasty_storage,
    hyve,
    make_pair,
    own_environment,
    pair,
)

__all__ = ["empty_dagster_home", "faulty", "hasty_storage", "hyve", "make_pair", "own_environment", "pair"]
