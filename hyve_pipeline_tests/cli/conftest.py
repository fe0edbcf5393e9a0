"""What tests of `hyve configure` share: a home, its user's credentials, and two buckets."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline_tests.conftest import PROFILE, MakeBucket

HAND_WRITTEN = """\
# Kept by hand.
[sync.pictures]
schedule = "0 2 * * *"  # at night

[sync.pictures.source]
bucket = "{source}"
profile = "{profile}"
endpoint_url = "{endpoint}"
region = "eu-central-1"

[sync.pictures.store]
bucket = "{store}"
prefix = "below/"
profile = "{profile}"
endpoint_url = "{endpoint}"

[sync.pictures.options]
exclude = ["tmp/*"]
shard_bytes = "1 GiB"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def credentials(aws_profile: str) -> Path:
    return Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"])


@pytest.fixture
def buckets(make_bucket: MakeBucket, rclone_endpoint: str) -> tuple[str, str]:
    """Source and store on a server that checks signatures."""
    return make_bucket("in", endpoint_url=rclone_endpoint), make_bucket("out", endpoint_url=rclone_endpoint)


@pytest.fixture
def hand_written(home: Path, buckets: tuple[str, str], rclone_endpoint: str) -> str:
    home.mkdir()
    text = HAND_WRITTEN.format(source=buckets[0], store=buckets[1], endpoint=rclone_endpoint, profile=PROFILE)
    (home / "hyve.toml").write_text(text)
    return text


def settings(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / "hyve.toml").read_text())["sync"]
