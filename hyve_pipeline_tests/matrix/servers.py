"""The servers of the matrix: those that the tests can start, and a user's own."""

import os
import subprocess
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline_tests.ceph.cluster import ceph_version, missing_programs
from hyve_pipeline_tests.matrix.cases import ENCRYPTION, LOCKS, SIZES, THRESHOLD, Case, cases, large_cases
from hyve_pipeline_tests.matrix.uploads import allow_any_header
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

_ENVIRONMENT = "HYVE_MATRIX_"

# The file of the page; unset, no page is written.
REPORT_VARIABLE = f"{_ENVIRONMENT}REPORT"

# Rows of the table, for buckets in which all keys begin with a prefix.
Choose = Callable[[str], list[Case]]

# In buckets that have other uses too, only keys with this prefix are written or deleted.
OWN_PREFIX = "hyve-matrix-"


@dataclass(frozen=True)
class Server:
    """One S3 server and how to reach it.

    Attributes:
        kind: servers of one kind support the same.
        endpoint_url: None for AWS.
        bucket: the user's bucket for the matrix; None where the matrix creates its own.
        profile: an AWS profile; None for the default credential chain, or for the tests' own keys.
        kms_key_id: a KMS key; any name where the server does not check keys.
    """

    kind: str
    endpoint_url: str | None
    bucket: str | None = None
    profile: str | None = None
    region: str | None = REGION
    kms_key_id: str | None = "alias/hyve-matrix"

    @property
    def client(self) -> Any:
        return _client(self)


@cache
def _client(server: Server) -> Any:
    if server.bucket is None:
        session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=server.region)
        local = {
            "proxies": {},
            "s3": {"addressing_style": "path"},
            "retries": {"total_max_attempts": 1},
            "read_timeout": 15,
        }
    else:
        session = boto3.Session(profile_name=server.profile, region_name=server.region)
        local = {}
    config = Config(
        max_pool_connections=8,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        **local,
    )
    client = session.client("s3", endpoint_url=server.endpoint_url, config=config)
    allow_any_header(client)
    return client


@dataclass(frozen=True, eq=False)
class Setting:
    """One sync of the matrix: a column of docs/compatibility.md.

    Attributes:
        name: the first part of its tests' names.
        title: the title of the column.
        source, store: names of servers for the fixture `find_server`.
        choose: selects the rows of the table.
        options: the options of the sync.
        versioned: whether the buckets are versioned.
        has_locks: whether they have Object Lock, where the server that is started has it.
        store_encrypts: whether the default encryption of the store's bucket is a KMS key.
    """

    name: str
    title: str
    source: str
    store: str
    choose: Choose
    options: Mapping[str, Any] = field(default_factory=dict)
    versioned: bool = False
    has_locks: bool = False
    store_encrypts: bool = False


# The page needs every row for every setting; otherwise some are enough where another setting has them all.
_IS_THOROUGH = bool(os.environ.get(REPORT_VARIABLE))
_SOME = 1 if _IS_THOROUGH else 8


def _with_some_keys(prefix: str) -> list[Case]:
    found = cases(prefix)
    return [case for number, case in enumerate(found) if not case.is_about_key or number % _SOME == 0]


def _small(prefix: str) -> list[Case]:
    return [
        case for case in _with_some_keys(prefix) if case.upload.size <= MIB or case.group in (SIZES, ENCRYPTION, LOCKS)
    ]


def _some(prefix: str) -> list[Case]:
    return cases(prefix)[::_SOME]


_IN_PARTS: dict[str, Any] = {"multipart_threshold": THRESHOLD, "multipart_part_size": THRESHOLD}

_ON_CEPH = (
    Setting("ceph", "Ceph, versioned", "ceph", "ceph", _some, _IN_PARTS, versioned=True),
    Setting("moto-to-ceph", "moto → Ceph", "moto", "ceph", _some, _IN_PARTS),
    # Reading from Ceph and writing to moto are tested above.
    *([Setting("ceph-to-moto", "Ceph → moto", "ceph", "moto", _some, _IN_PARTS)] if _IS_THOROUGH else []),
)

_STARTED = (
    Setting("moto", "moto", "moto", "moto", cases, _IN_PARTS),
    Setting(
        "moto-versions",
        "moto, versioned, locks, store encrypts",
        "moto",
        "moto",
        _small,
        {**_IN_PARTS, "locks": "copy"},
        versioned=True,
        has_locks=True,
        store_encrypts=True,
    ),
    Setting("rclone", "rclone", "rclone", "rclone", _with_some_keys, _IN_PARTS),
    Setting("moto-to-moto", "moto → moto", "moto", "second moto", _some, _IN_PARTS),
    Setting("moto-to-rclone", "moto → rclone", "moto", "rclone", _some, _IN_PARTS),
    # Reading from rclone and writing to moto are tested above.
    *([Setting("rclone-to-moto", "rclone → moto", "rclone", "moto", cases, _IN_PARTS)] if _IS_THOROUGH else []),
    *([] if missing_programs() else _ON_CEPH),
)

# Only for rows about all versions: as S3, it gives times of versions that are more exact than whole seconds.
EXACT_MOTO = Setting("exact-moto", "moto, exact times", "exact moto", "exact moto", _some, _IN_PARTS)


def _own_settings(environment: Mapping[str, str]) -> tuple[Setting, ...]:
    """The syncs on the servers that the environment names."""
    if not environment.get(_ENVIRONMENT + "SOURCE_BUCKET"):
        return ()
    title = environment.get(_ENVIRONMENT + "NAME") or "own server"
    found = [Setting("own", title, "own source", "own store", cases, {**_IN_PARTS, "locks": "copy"})]
    if environment.get(_ENVIRONMENT + "LARGE") == "1":
        found.append(Setting("own-large", f"{title}, large", "own source", "own store", large_cases))
    return tuple(found)


SETTINGS = (*_STARTED, *_own_settings(os.environ))


def own_server(side: str) -> Server:
    """The server that the environment names for the source or the store.

    Raises:
        KeyError: the environment names no bucket for this side.
    """
    source = {
        name.removeprefix(_ENVIRONMENT): value
        for name, value in os.environ.items()
        if name.startswith(_ENVIRONMENT) and value
    }
    store = {name.removeprefix("STORE_"): value for name, value in source.items() if name.startswith("STORE_")}
    # A store on the same server has the connection settings of the source.
    named = source if side == "source" else (store if "ENDPOINT_URL" in store else source | store)
    bucket = source[f"{side.upper()}_BUCKET"]
    return Server(
        kind=f"own {side}",
        endpoint_url=named.get("ENDPOINT_URL"),
        bucket=bucket,
        profile=named.get("PROFILE"),
        region=named.get("REGION"),
        kms_key_id=named.get("KMS_KEY_ID"),
    )


def own_prefix() -> str:
    """A unique prefix."""
    return f"{OWN_PREFIX}{uuid4().hex[:12]}/"


def versions() -> dict[str, Callable[[], str]]:
    """Functions that return the versions of the servers that the tests start."""
    return {"moto": lambda: version("moto"), "rclone": _rclone_version, "Ceph": ceph_version}


def _rclone_version() -> str:
    command = [Path(sysconfig.get_path("scripts")) / "rclone", "version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1].removeprefix("v")
