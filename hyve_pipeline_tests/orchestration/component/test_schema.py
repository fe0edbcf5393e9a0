"""What `dg check yaml`, editors and the UI know of a `defs.yaml`."""

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hyve_pipeline import BucketSync
from hyve_pipeline.orchestration.component.schema import MODELS

SCHEMA = BucketSync.model().model_json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PLACES: dict[str, Any] = {"source": {"bucket": "hyve-rootwork"}, "store": {"bucket": "hyve-store"}}


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field there is, under its dotted name."""
    for name, schema in SCHEMA["properties"].items():
        yield name, schema
        # What is in a translation is Dagster's.
        for inner, its in (schema.get("properties", {}) if name in MODELS else {}).items():
            yield f"{name}.{inner}", its


VALUES = {name: schema for name, schema in fields() if "properties" not in schema}
# What a mapping needs that may be left out as a whole.
_NEEDED: dict[str, Any] = {
    **PLACES,
    "events": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/hyve"},
}
# In a file it is a mapping, in Python a function.
TRANSLATION = SCHEMA["properties"]["translation"]


def attributes_with(name: str, value: object) -> dict[str, Any]:
    table, _, key = name.rpartition(".")
    if not table:
        return PLACES | {key: value}
    return PLACES | {table: _NEEDED.get(table, {}) | {key: value}}


def problems(attributes: dict[str, Any]) -> list[str]:
    found = VALIDATOR.iter_errors(attributes)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(BucketSync.model_fields)
    assert {name: set(SCHEMA["properties"][name]["properties"]) for name in MODELS} == {
        name: set(model.model_fields) for name, model in MODELS.items()
    }


def test_every_field_says_what_it_is() -> None:
    for name, schema in fields():
        assert schema["description"][0].isupper() or schema["description"][0] == "`", name
        assert "``" not in schema["description"], name


def test_every_value_has_examples_that_are_right() -> None:
    for name, schema in VALUES.items():
        assert schema["examples"], name
        for example in schema["examples"]:
            attributes = attributes_with(name, example)
            assert problems(attributes) == []
            if name in ("options.kms_key_id", "options.bucket_key"):
                attributes["options"]["encryption"] = "aws:kms"
            if name.endswith(".mail_to"):
                attributes["automation"]["mail_command"] = "sendmail -t"
            if name.endswith(".external_id"):
                attributes[name.partition(".")[0]]["role_arn"] = "arn:aws:iam::123456789012:role/hyve"
            if name != "store.bucket":  # the example is the source's
                BucketSync.model_validate(attributes)


def test_every_value_may_be_a_template() -> None:
    assert [name for name in VALUES if problems(attributes_with(name, "{{ env.SOMETHING }}"))] == []


def test_every_default_is_one_that_may_be_written() -> None:
    for name, schema in VALUES.items():
        if "default" in schema:
            attributes = attributes_with(name, schema["default"])
            assert problems(attributes) == []
            BucketSync.model_validate(attributes)


def test_a_translation_has_what_dagster_knows_of_an_asset() -> None:
    assert {"key", "key_prefix", "group_name", "description", "metadata", "tags", "kinds"} <= set(
        TRANSLATION["properties"]
    )
    assert "partitions_def" not in TRANSLATION["properties"]
    assert problems(PLACES | {"translation": {"key": "media/{{ name }}", "kinds": ["s3"], "tags": {"a": 1}}}) == []
    assert problems(PLACES | {"translation": "{{ translated(spec) }}"}) == []
    (problem,) = problems(PLACES | {"translation": {"gruop_name": "media"}})
    assert problem == "translation: Additional properties are not allowed ('gruop_name' was unexpected)"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("op.name", "my-op"),
        ("op.pool", ""),
        ("source.bucket", "s3://hyve-rootwork"),
        ("source.prefix", 2024),
        ("source.region", "eu central"),
        ("store.endpoint_url", "s3.example.org"),
        ("store.endpoint_url", "https://s3.example.org/path"),
        ("store.resource", "s-3"),
        ("store.profile", ""),
        ("source.requester_pays", "yes"),
        ("store.accelerate", 1),
        ("store.dual_stack", None),
        ("store.addressing_style", "dns"),
        ("options.compare", "sha"),
        ("options.include", "*.jpg"),
        ("options.include", [""]),
        ("options.max_deletes", "101%"),
        ("options.max_deletes", -1),
        ("options.max_deletes", None),
        ("options.trash", "hyve-trash"),
        ("options.shard_objects", 0),
        ("options.shard_bytes", "1 parsec"),
        ("options.shard_bytes", 0),
        ("options.concurrency", "many"),
        ("options.concurrency", 5000),
        ("options.processes", 65),
        ("options.transport", "http"),
        ("options.multipart_threshold", 1024),
        ("schedule", "0 2 * *"),
        ("schedule", "@never"),
        ("apply", True),
        ("automation.running", "yes"),
        ("automation.keep_days", 0),
        ("owners", ["nobody"]),
        ("tags", {"a": 1}),
        ("name", "my-images"),
        ("home", ""),
    ],
)
def test_what_the_settings_refuse_the_schema_refuses_too(name: str, value: object) -> None:
    attributes = attributes_with(name, value)
    (problem,) = problems(attributes)
    assert problem.startswith(f"{name}")
    with pytest.raises(ValueError, match="validation error"):
        BucketSync.model_validate(attributes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source.prefix", "a//b"),
        ("source.profile", None),
        ("store.endpoint_url", "http://127.0.0.1:9000/"),
        ("options.max_deletes", "010.5 %"),
        ("options.max_deletes", 0),
        ("options.max_overwrites", None),
        ("options.shard_bytes", "1.5 gib"),
        ("schedule", "*/5 1-3 * jan,feb mon"),
        ("schedule", None),
        ("name", None),
    ],
)
def test_what_the_settings_take_the_schema_takes_too(name: str, value: object) -> None:
    attributes = attributes_with(name, value)
    assert problems(attributes) == []
    BucketSync.model_validate(attributes)


def test_what_is_missing_or_unknown_is_named() -> None:
    assert problems({"source": {"bucket": "hyve-rootwork", "buckets": 1}}) == [
        "source: Additional properties are not allowed ('buckets' was unexpected)",
        ": 'store' is a required property",
    ]
