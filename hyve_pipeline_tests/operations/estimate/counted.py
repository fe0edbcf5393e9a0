"""Counts requests by operation, and compares them with an estimate."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Received
from hyve_pipeline_tests.syncs import Hyve


def _operation(received: Received) -> str:
    """The operation of S3 that a request is."""
    query, is_copy = received.query, "x-amz-copy-source" in received.headers
    method = received.method
    if received.path.count("/") < 2 or (received.path.endswith("/") and received.path.count("/") == 2):
        if "delete" in query:
            return "DeleteObjects"
        if "versions" in query:
            return "ListObjectVersions"
        names = {"versioning": "GetBucketVersioning", "website": "GetBucketWebsite", "list-type": "ListObjectsV2"}
        return next((name for parameter, name in names.items() if parameter in query), f"{method} bucket {query}")
    if "tagging" in query:
        return {"GET": "GetObjectTagging", "PUT": "PutObjectTagging"}[method]
    if "uploads" in query:
        return "CreateMultipartUpload"
    if method == "POST":
        return "CompleteMultipartUpload"
    if method == "PUT" and "partNumber" in query:
        return "UploadPartCopy" if is_copy else "UploadPart"
    if "acl" in query:
        return "GetObjectAcl"
    if method == "DELETE":
        return "DeleteObject"
    return {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "CopyObject" if is_copy else "PutObject"}[method]


def count_operations(received: Iterable[Received]) -> dict[str, int]:
    """How many requests were of each operation."""
    return dict(Counter(map(_operation, received)))


def agree(estimated: dict[str, int], counted: dict[str, int]) -> None:
    """Within 5 % in all, and of each operation as far as so few requests show it."""
    assert sum(estimated.values()) == pytest.approx(sum(counted.values()), rel=0.05), (estimated, counted)
    for operation in {*estimated, *counted}:
        expected = pytest.approx(counted.get(operation, 0), rel=0.05, abs=2)
        assert estimated.get(operation, 0) == expected, (operation, estimated, counted)


def agreeing_estimate(hyve: Hyve, server: FaultyServer, *commands: str) -> dict[str, Any]:
    """The estimate of a new plan, which agrees with what making it and applying it by some commands takes."""
    server.received.clear()
    planned = hyve("dryrun", "--json")
    assert planned.code == 0, planned.err
    estimate = planned.document["estimate"]
    agree(estimate["steps"]["plan"]["requests"], count_operations(server.received))
    server.received.clear()
    for command in commands:
        assert hyve(command, "--json").code == 0
    agree(estimate["requests"], count_operations(server.received))
    return estimate
