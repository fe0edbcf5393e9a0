import json
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.sizes import GIB
from hyve_pipeline.core.settings.limits import Limit
from hyve_pipeline.core.settings.load import load_settings, parse_settings, parse_sync, select_sync
from hyve_pipeline.core.settings.model import Settings, SyncSettings
from hyve_pipeline_tests.core.settings.values import COMPLETE

FILE = Path("hyve.toml")

SOURCE = '[sync.images.source]\nbucket = "hyve-rootwork"\n'
STORE = '[sync.images.store]\nbucket = "hyve-store"\n'
OPTIONS = SOURCE + STORE + "[sync.images.options]\n"
SYNC = SOURCE + STORE + "[sync.images]\n"

BUCKET_KEYS = (
    "known: bucket, prefix, profile, role_arn, external_id, anonymous, region, endpoint_url, requester_pays, "
    "accelerate, dual_stack, addressing_style, inventory"
)
SYNC_KEYS = "known: source, store, options, schedule, timezone, apply, automation, batch, events, mapping, owners, tags"
NO_NAME = "is not a sync name: a letter, then letters, digits and _, at most 63"
NO_LIMIT = "is neither a number of objects such as 500 nor a share such as '10%'"


def mistake_in(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(text, FILE)
    return str(caught.value)


def test_a_complete_file_is_read() -> None:
    sync = parse_settings(COMPLETE, FILE).sync["images"]
    assert (sync.name, sync.schedule, sync.timezone, sync.apply) == ("images", "0 2 * * *", "Europe/Berlin", "copies")
    assert sync.source.model_dump() == {
        "bucket": "hyve-rootwork",
        "prefix": "in/",
        "profile": "hyve",
        "role_arn": None,
        "external_id": None,
        "anonymous": False,
        "region": "us-east-1",
        "endpoint_url": "http://127.0.0.1:9000",
        "resource": None,
        "requester_pays": True,
        "accelerate": False,
        "dual_stack": False,
        "addressing_style": "auto",
        "inventory": None,
    }
    assert sync.store.uri == "s3://hyve-store/"
    assert sync.options.model_dump(exclude_defaults=True) == {
        "compare": "etag",
        "include": ("*.jpg",),
        "exclude": ("tmp/*",),
        "max_overwrites": Limit.parse(500),
        "trash": "s3://hyve-trash/images/",
        "shard_objects": 100,
        "shard_bytes": GIB,
        "concurrency": 8,
        "transport": "botocore",
    }


def test_the_order_of_syncs_is_that_of_the_file() -> None:
    text = "".join(f"sync.{name}.source.bucket = 'aaa'\nsync.{name}.store.bucket = 'bbb'\n" for name in ("z", "a", "m"))
    assert list(parse_settings(text, FILE).sync) == ["z", "a", "m"]


def test_an_empty_file_has_no_sync() -> None:
    assert parse_settings("", FILE) == Settings()
    assert parse_settings("[sync]\n", FILE) == Settings()


def test_a_file_is_loaded_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "hyve.toml"
    path.write_bytes(COMPLETE.encode())
    expected = load_settings(path)
    path.write_bytes(b"\xef\xbb\xbf" + COMPLETE.replace("\n", "\r\n").encode())
    assert load_settings(path) == expected


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, problem in [
        (tmp_path / "none" / "hyve.toml", "is missing; `hyve configure` writes it"),
        (tmp_path, "can't be read: Is a directory"),
    ]:
        with pytest.raises(ConfigurationError) as caught:
            load_settings(path)
        assert str(caught.value) == f"{path}: {problem}"
    path = tmp_path / "hy\x1b\nve.toml"
    path.write_bytes(b"# one\n# \xff\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    assert str(caught.value) == rf"{tmp_path}/hy\x1b\x0ave.toml: line 2: is not UTF-8"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb =\n", "line 2, column 4: is not valid TOML: Invalid value"),
        ("a = 1\na = 2\n", "line 2, column 6: is not valid TOML: Cannot overwrite a value"),
        ("\n[sync.images\n", "line 2, column 13: is not valid TOML: Expected ']' at the end of a table declaration"),
        ("x", "line 1: is not valid TOML: Expected '=' after a key in a key/value pair"),
        ('\n\na = """b\nc\n', "line 4: is not valid TOML: Unterminated string"),
        ('a = "\x1b"', r"line 1, column 6: is not valid TOML: Illegal character '\x1b'"),
        ("a = " + "[" * 5000, "is nested too deeply"),
    ],
)
def test_invalid_toml_is_named_with_its_line(text: str, message: str) -> None:
    assert mistake_in(text) == f"hyve.toml: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOURCE, "[sync.images] store: is missing: add a table [sync.images.store] with at least a bucket"),
        ("[snyc]", "snyc: unknown key (known: sync, home; did you mean sync?)"),
        ("logging = 1", "logging: unknown key (known: sync, home)"),
        ("sync = 5", "sync: must be tables [sync.NAME], not the number 5"),
        ("[[sync]]", "sync: must be tables [sync.NAME], not a list"),
        ("sync.images = true", "[sync] images: must be a table [sync.images], not the boolean true"),
        ("[sync.my-images]", f"[sync.my-images]: 'my-images' {NO_NAME}"),
        ('[sync."a\\u001b b"]', f"[sync.\"a\\u001b b\"]: 'a\\x1b b' {NO_NAME}"),
        (
            SOURCE.replace("bucket", "bukcet") + STORE,
            f"[sync.images.source] bukcet: unknown key ({BUCKET_KEYS}; did you mean bucket?)",
        ),
        (
            SOURCE.replace("hyve-rootwork", "s3://x/y") + STORE,
            "[sync.images.source] bucket: 's3://x/y' is not a bucket name: "
            "omit s3://, and set what follows the name as prefix",
        ),
        (
            SOURCE + 'resource = "s3"\n' + STORE,
            "[sync.images.source] resource: only the component BucketSync, in a Dagster project, can name a resource: "
            "name a profile instead",
        ),
        (
            SOURCE.replace("source", "sauce") + STORE,
            f"[sync.images] sauce: unknown key ({SYNC_KEYS}; did you mean source?)",
        ),
        (SOURCE + "[sync.images.store]", "[sync.images.store] bucket: is missing"),
        (
            SOURCE + 'inventory = "s3://reports"\n' + STORE,
            "[sync.images.source] inventory: 's3://reports' is a whole bucket: name the folder of the reports, "
            "'s3://reports/bucket/config-id/'",
        ),
        (
            SOURCE + 'inventory = "s3://hyve-store/reports"\n' + STORE,
            "[sync.images.source] inventory: overlaps the store: s3://hyve-store/reports/ and s3://hyve-store/; "
            "neither may contain the other",
        ),
        (
            SOURCE + STORE.replace("hyve-store", "hyve-rootwork"),
            "[sync.images] store: overlaps the source: "
            "s3://hyve-rootwork/ and s3://hyve-rootwork/; neither may contain the other",
        ),
    ],
)
def test_every_mistake_is_one_line_that_names_file_table_and_key(text: str, message: str) -> None:
    assert mistake_in(text) == f"hyve.toml: {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("name = 'x'", "name: unknown key: the name of the table is the sync's name"),
        ("max_deletes = 5", f"max_deletes: unknown key ({SYNC_KEYS}; it belongs in [sync.images.options])"),
        (
            "bucket = 'x'",
            f"bucket: unknown key ({SYNC_KEYS}; it belongs in [sync.images.source] or [sync.images.store] or "
            "[sync.images.events])",
        ),
        ("options = 'x'", "options: must be a table, not the string 'x'"),
        (
            "schedule = '0 25 * * *'",
            "schedule: '0 25 * * *' is not a cron expression such as '0 2 * * *': hour '25' is not from 0 to 23",
        ),
        (
            "timezone = 'Europe/Rom'",
            "timezone: 'Europe/Rom' is not a time zone such as 'Europe/Berlin'; did you mean Europe/Rome?",
        ),
        ("apply = 'yes'", "apply: must be 'never', 'copies' or 'all', not the string 'yes'"),
    ],
)
def test_mistakes_of_a_sync(line: str, message: str) -> None:
    assert mistake_in(SYNC + line) == f"hyve.toml: [sync.images] {message}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("apply = 'all'", f"apply: unknown key ({BUCKET_KEYS}; it belongs in [sync.images])"),
        ('"a\\u202eb" = 1', f'"a\\u202eb": unknown key ({BUCKET_KEYS})'),
        ("aws_secret_access_key = 'hush'", f"aws_secret_access_key: unknown key ({BUCKET_KEYS})"),
        ("prefix = 5", "prefix: must be a string in quotes, not the number 5"),
        ("prefix = 1.5", "prefix: must be a string in quotes, not the number 1.5"),
        ("prefix.x = 1", "prefix: must be a string in quotes, not a table"),
        ("prefix = 1979-05-27", "prefix: must be a string in quotes, not a date or time"),
        ("region = false", "region: must be a string in quotes, not the boolean false"),
        ("region = 'eu west'", "region: 'eu west' is not a region such as 'eu-central-1'"),
        ("profile = ['a']", "profile: must be a string in quotes, not a list"),
        ("profile = ''", "profile: '' is not the name of an AWS profile"),
        ('profile = "a\\u001b[2J\\u202e"', "profile: 'a\\x1b[2J\\u202e' is not the name of an AWS profile"),
        (
            "endpoint_url = 'minio:9000'",
            "endpoint_url: 'minio:9000' is not an endpoint such as 'https://s3.example.org:9000': "
            "write 'http://minio:9000' or 'https://minio:9000'",
        ),
        ("requester_pays = 'yes'", "requester_pays: must be true or false, not the string 'yes'"),
        ("accelerate = 1", "accelerate: must be true or false, not the number 1"),
        (
            "endpoint_url = 'http://127.0.0.1:9000'\naccelerate = true",
            "accelerate: accelerate and endpoint_url are both set: keep one of them",
        ),
        (
            "dual_stack = true\nendpoint_url = 'https://s3.eu-west-1.amazonaws.com'",
            "dual_stack: dual_stack and endpoint_url are both set: keep one of them",
        ),
    ],
)
def test_mistakes_of_a_side(line: str, message: str) -> None:
    assert mistake_in(SOURCE + STORE + line) == f"hyve.toml: [sync.images.store] {message}"


@pytest.mark.parametrize("name", ["my.bucket", "Old_Bucket", "x" * 64])
def test_an_accelerated_bucket_must_be_a_host_label(name: str) -> None:
    text = SOURCE.replace("hyve-rootwork", name) + "accelerate = true\n" + STORE
    assert mistake_in(text) == (
        "hyve.toml: [sync.images.source] accelerate: requires a bucket name of 3 to 63 lowercase letters, digits and "
        f"hyphens, as it becomes part of a host name; {name!r} is not one"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("concurrency = true", "concurrency: must be a whole number, not the boolean true"),
        ("concurrency = '8'", "concurrency: must be a whole number, not the string '8'"),
        ("concurrency = 0", "concurrency: must be at least 1, not 0"),
        ("shard_objects = 1000001", "shard_objects: must be at most 1000000, not 1000001"),
        ("shard_bytes = 1.5", "shard_bytes: must be a whole number, not the number 1.5"),
        ("shard_bytes = '1 mile'", "shard_bytes: '1 mile' is not a size such as '100 GiB' or a number of bytes"),
        ("multipart_threshold = '6 GiB'", "multipart_threshold: must be at most 5368709120, not 6 GiB"),
        (
            "include = '*.jpg'",
            "include: must be a list of strings in brackets, such as ['*.jpg'], not the string '*.jpg'",
        ),
        ("include = ['a', 5]", "include: item [1] must be a string in quotes, not the number 5"),
        (
            "exclude = ['a', '']",
            "exclude: item [1] an empty glob matches nothing: leave it out, or write '*' for everything",
        ),
        (
            "compare = 'tags'",
            "compare: must be 'last_modified', 'size', 'etag' or 'content', not the string 'tags'; did you mean etag?",
        ),
        ("max_deletes = '101%'", f"max_deletes: '101%' {NO_LIMIT}"),
        ("max_deletes = true", f"max_deletes: True {NO_LIMIT}"),
        ("inventory_max_age = '2'", "inventory_max_age: '2' is not a duration such as '48 h', '90 min' or '7 days'"),
        (
            "inventory_max_age = '1 s'",
            "inventory_max_age: '1 s' is not a duration such as '48 h', '90 min' or '7 days'",
        ),
        ("inventory_max_age = 59", "inventory_max_age: must be at least 60, not 59"),
        ("trash = 'hyve-trash'", "trash: 'hyve-trash' is not a URI such as 's3://bucket/prefix/'"),
        (
            "trash = 's3://hyve-store/t'",
            "trash: overlaps the store: s3://hyve-store/t/ and s3://hyve-store/; neither may contain the other",
        ),
    ],
)
def test_mistakes_of_options(line: str, message: str) -> None:
    assert mistake_in(OPTIONS + line) == f"hyve.toml: [sync.images.options] {message}"


def test_the_first_mistake_of_the_file_is_named_and_the_others_counted() -> None:
    text = (
        "[sync.b.source]\nregion = 5\nbucket = 6\n"
        "[sync.a.store]\nbucket = ''\n"
        "[sync.a.source]\nbucket = 'fine'\n"
        "[sync.b]\napply = 1\n"
        "[other]\n"
    )
    # And [sync.b.store] is missing.
    assert mistake_in(text) == (
        "hyve.toml: [sync.b.source] region: must be a string in quotes, not the number 5 "
        "(and 5 more mistakes, 'hyve config check' says all)"
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KEYS = TEXTS | st.sampled_from(
    [
        *("sync", "images", "source", "store", "options", "name", "schedule", "timezone", "apply"),
        *("bucket", "prefix", "profile", "endpoint_url", "include", "max_deletes", "trash", "shard_bytes", "compare"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.datetimes() | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(KEYS, values, max_size=4),
    max_leaves=12,
)
SYNCS = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=5) | VALUES, max_size=4)


def assert_settings_or_one_safe_line(text: str) -> None:
    try:
        parse_settings(text, FILE)
    except ConfigurationError as error:
        line = str(error)
    else:
        return
    assert line.startswith("hyve.toml: ")
    assert line.isprintable()


def without_none(value: Any) -> Any:
    """TOML has no null."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value if item is not None] if isinstance(value, list) else value


@settings(deadline=None)
@given(st.fixed_dictionaries({"sync": st.dictionaries(st.just("images") | KEYS, SYNCS, max_size=2)}) | SYNCS)
def test_any_document_gives_settings_or_one_safe_line(document: dict[str, Any]) -> None:
    assert_settings_or_one_safe_line(tomlkit.dumps(without_none(document)))


@settings(deadline=None)
@given(st.text(max_size=30) | st.text("[]{}=.,\"'# \n\r\tsync1\x00\x1b", max_size=30))
def test_any_text_gives_settings_or_one_safe_line(text: str) -> None:
    assert_settings_or_one_safe_line(text)


def test_a_sync_is_chosen_by_name_when_there_are_several() -> None:
    two = parse_settings(COMPLETE + COMPLETE.replace("sync.images", "sync.videos"), FILE)
    one = parse_settings(COMPLETE, FILE)
    assert select_sync(one, None, FILE) == select_sync(two, "images", FILE) == one.sync["images"]
    assert select_sync(two, "videos", FILE).name == "videos"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", None, "has no sync yet; `hyve configure` adds one"),
        ("", "images", "has no sync yet; `hyve configure` adds one"),
        (
            COMPLETE + COMPLETE.replace("images", "videos"),
            None,
            "has several syncs, choose one by --sync: images, videos",
        ),
        (COMPLETE, "imagse", "has no sync 'imagse' (known: images; did you mean images?)"),
        (COMPLETE, "\x1b\n", "has no sync '\\x1b\\n' (known: images)"),
    ],
)
def test_a_sync_that_cannot_be_chosen_is_one_line(text: str, name: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        select_sync(parse_settings(text, FILE), name, FILE)
    assert str(caught.value) == f"hyve.toml: {message}"


def test_a_table_alone_is_checked_like_a_file() -> None:
    table = {"source": {"bucket": "hyve-rootwork"}, "store": {"bucket": "hyve-store"}}
    sync = parse_sync("images", table)
    assert sync == parse_settings(SOURCE + STORE, FILE).sync["images"]
    assert isinstance(sync, SyncSettings)
    assert json.loads(sync.model_dump_json())["name"] == "images"
    wrong = parse_sync("images", {"source": {"bucket": "b"}, "store": {"bucket": "c"}})
    assert isinstance(wrong, list)
    assert [(mistake.table, mistake.key) for mistake in wrong] == [
        (("sync", "images", side), "bucket") for side in ("source", "store")
    ]
    (unnamed,) = parse_sync("my-images", table)
    assert str(unnamed).startswith("[sync.my-images]: 'my-images' is not a sync name")
