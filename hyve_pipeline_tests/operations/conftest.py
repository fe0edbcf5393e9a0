"""Syncs for the operations, without the command line and without Dagster."""

from collections.abc import Iterator

import pytest

from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.syncs import MakePair, Pair


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync with default options."""
    return make_pair()


@pytest.fixture
def through(version_endpoint: str) -> Iterator[FaultyServer]:
    """A proxy before the server of tests of versions."""
    with faulty_server(version_endpoint) as server:
        yield server
