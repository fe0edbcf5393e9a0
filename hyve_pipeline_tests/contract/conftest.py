"""The command line and syncs, as the tests of the commands have them."""

from hyve_pipeline_tests.cli.conftest import (
    faulty,
    hyve,
    make_pair,
    own_environment,
    pair,
)

__all__ = ["faulty", "hyve", "make_pair", "own_environment", "pair"]
