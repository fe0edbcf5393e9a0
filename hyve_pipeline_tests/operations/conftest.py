"""Syncs for the operations, without the command line and without Dagster."""

import pytest

from hyve_pipeline_tests.syncs import MakePair, Pair


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync with default options."""
    return make_pair()
