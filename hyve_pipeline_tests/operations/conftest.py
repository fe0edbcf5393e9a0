"""Syncs for the verbs, without the command line and without Dagster."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.syncs import MakePair, Pair, new_pair


@pytest.fixture
def make_pair(tmp_path: Path, make_place: MakePlace) -> MakePair:
    """Makes two empty buckets and a home; the options are given to each context."""

    def make(
        *,
        endpoint_url: str | None = None,
        through: FaultyServer | None = None,
        prefixes: tuple[str, str] = ("", ""),
        versioned: bool = False,
        **options: Any,
    ) -> Pair:
        pair = new_pair(
            make_place,
            tmp_path / "home",
            endpoint_url=endpoint_url,
            through=through,
            prefixes=prefixes,
            versioned=versioned,
        )
        pair.configure(**options)
        return pair

    return make


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync with default options."""
    return make_pair()


@pytest.fixture
def faulty(moto_endpoint: str) -> Iterator[FaultyServer]:
    """A proxy before moto's server."""
    with faulty_server(moto_endpoint) as server:
        yield server
