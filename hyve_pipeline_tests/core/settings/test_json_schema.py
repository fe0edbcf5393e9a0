"""The published schema of `hyve.toml` accepts what Hyve accepts, and has each key with its description."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from hyve_pipeline.core.settings.home import HomeSettings
from hyve_pipeline.core.settings.json_schema import settings_schema
from hyve_pipeline.core.settings.mistakes import settings_names
from hyve_pipeline.core.settings.model import Automation, SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings

PUBLISHED = Path(__file__).parents[3] / "docs" / "hyve.schema.json"
SIDES = '[sync.images.source]\nbucket = "hyve-rootwork"\n[sync.images.store]\nbucket = "hyve-store"\n'


def errors(text: str) -> list[str]:
    schema = settings_schema()
    Draft7Validator.check_schema(schema)
    return [error.message for error in Draft7Validator(schema).iter_errors(tomllib.loads(text))]


def test_the_published_schema_is_the_one_of_the_settings() -> None:
    text = PUBLISHED.read_text(encoding="utf-8")
    assert json.loads(text) == settings_schema(), "write it anew: hyve config schema > docs/hyve.schema.json"


@pytest.mark.parametrize("model", [SyncSettings, BucketSettings, Options, Automation, HomeSettings])
def test_each_key_of_a_table_is_described(model: type) -> None:
    properties = settings_schema()["definitions"][model.__name__]["properties"]
    assert list(properties) == settings_names(model)
    for name, schema in properties.items():
        assert len(schema["description"]) > 10, name
        assert "null" not in schema["description"], name


@pytest.mark.parametrize(
    "text",
    [
        SIDES,
        SIDES + '[sync.images]\nschedule = "@daily"\napply = "all"\ntags = { a = "b" }\nowners = ["team:data"]\n',
        SIDES + '[sync.images.options]\nmax_deletes = 5\nshard_bytes = "1 GiB"\ninclude = ["*.jpg"]\n',
        SIDES + '[home]\nstate = "s3://aaa/b/"\nprofile = "hyve"\n',
        "",
    ],
)
def test_right_files_are_accepted(text: str) -> None:
    assert errors(text) == []


@pytest.mark.parametrize(
    "text",
    [
        SIDES.replace("bucket =", "buckett =", 1),
        SIDES.replace('"hyve-store"', "1"),
        SIDES + '[sync.images.options]\nmax_deletes = "200%"\n',
        SIDES + '[sync.images.options]\ncompare = "no"\n',
        SIDES + "[sync.images.automation]\nruns = 0\n",
        SIDES.replace("images", '"a.b"'),
        SIDES.replace("[sync.images.store]\n", "[sync.images.store]\nresource = 's3'\n"),
        "[sync.images]\n",
        "nonsense = 1\n",
    ],
)
def test_wrong_files_are_not(text: str) -> None:
    assert errors(text) != []


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from [schema["$ref"]] if "$ref" in schema else []
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def test_references_lead_somewhere() -> None:
    schema = settings_schema()
    assert {name.rpartition("/")[2] for name in _references(schema)} == set(schema["definitions"])
