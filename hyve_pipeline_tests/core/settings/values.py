"""Places as tests write them, and what is wrong with settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from hyve_pipeline.core.settings.model import BucketSettings


def place(uri: str, endpoint_url: str | None = None) -> BucketSettings:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return BucketSettings(bucket=bucket, prefix=prefix, endpoint_url=endpoint_url)


def problem_of(model: type, **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model(**values)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")
