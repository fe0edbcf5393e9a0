"""Syncs in a user's own project: what the component makes of a file, and its messages about mistakes."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from hyve_pipeline import BucketSync
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.build import build_sync
from hyve_pipeline_tests.orchestration.projects import SYNC, loaded, refusal, resource_of


def names_of(definitions: dg.Definitions) -> dict[str, set[str]]:
    return {
        "assets": {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()},
        "jobs": {job.name for job in definitions.resolve_all_job_defs()},
        "schedules": {schedule.name for schedule in definitions.schedules or ()},
        "sensors": {sensor.name for sensor in definitions.sensors or ()},
        "resources": set(definitions.resources or {}),
    }


def test_a_file_and_a_table_of_the_configuration_make_the_same(tmp_path: Path) -> None:
    sync = SyncSettings(
        name="images",
        source=BucketSettings(bucket="hyve-rootwork"),
        store=BucketSettings(bucket="hyve-store"),
        schedule="0 2 * * *",
    )
    expected = names_of(build_sync(Home(tmp_path), sync))
    with loaded({"images/defs.yaml": SYNC + '      schedule: "0 2 * * *"\n'}) as definitions:
        assert names_of(definitions) == expected
        dg.Definitions.validate_loadable(definitions)


def test_everything_that_can_be_configured_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_STORE", "shop-store")
    text = r"""
        type: hyve_pipeline.BucketSync
        attributes:
          name: pictures
          home: /var/lib/hyve
          source:
            bucket: hyve-rootwork
            prefix: "2024"
            profile: reader
            region: eu-central-1
            requester_pays: true
            accelerate: true
            dual_stack: true
            addressing_style: virtual
          store: {bucket: "{{ env.SHOP_STORE }}", endpoint_url: "https://s3.example.org", resource: s3}
          options:
            compare: etag
            include: ["*.jpg", "[ab]*"]
            exclude: ["{{ env.SHOP_STORE }}/*"]
            max_deletes: 500
            max_overwrites: "5%"
            trash: s3://shop-trash/images
            shard_bytes: 1 GiB
            concurrency: "{{ 4 * 8 }}"
          mapping:
            - {from: raw/, to: "{{ env.SHOP_STORE }}/"}
            - match: '(\d+)/(.*)'
              replace: '\2/\1'
    """
    s3 = "import dagster as dg\ndefs = dg.Definitions(resources={'s3': dg.ResourceDefinition.none_resource()})\n"
    with loaded({"images/defs.yaml": text, "resources.py": s3}) as definitions:
        resource = resource_of(definitions, "pictures")
        assert Path(resource.home) == Path("/var/lib/hyve")
        settings = resource.context().settings
        rules = [rule.model_dump(exclude_none=True) for rule in settings.mapping]
        assert rules == [{"from": "raw/", "to": "shop-store/"}, {"match": r"(\d+)/(.*)", "replace": r"\2/\1"}]
        assert resource.source.place() == BucketSettings(
            bucket="hyve-rootwork",
            prefix="2024/",
            profile="reader",
            region="eu-central-1",
            requester_pays=True,
            accelerate=True,
            dual_stack=True,
            addressing_style="virtual",
        )
        assert resource.store.place() == BucketSettings(
            bucket="shop-store", endpoint_url="https://s3.example.org", resource="s3"
        )
        assert settings.options.model_dump(mode="json", exclude_defaults=True) == {
            "compare": "etag",
            "include": ["*.jpg", "[ab]*"],
            "exclude": ["shop-store/*"],
            "max_deletes": "500",
            "max_overwrites": "5%",
            "trash": "s3://shop-trash/images/",
            "shard_bytes": 1024**3,
            "concurrency": 32,
        }


def test_several_syncs_live_in_one_project() -> None:
    two_in_one = SYNC + "      name: films\n---\n" + SYNC.replace("hyve-store", "other") + "      name: sounds\n"
    with loaded({"images/defs.yaml": SYNC, "media/defs.yaml": two_in_one.replace("\n    ", "\n")}) as definitions:
        dg.Definitions.validate_loadable(definitions)
        groups = {node.group_name for node in definitions.resolve_asset_graph().asset_nodes}
        assert groups == {"images", "films", "sounds"}


@pytest.mark.parametrize(
    ("folder", "name"), [("images", "images"), ("my-images.v2", "my_images_v2"), ("shop/images", "images")]
)
def test_a_sync_is_named_after_its_folder(folder: str, name: str) -> None:
    with loaded({f"{folder}/defs.yaml": SYNC}) as definitions:
        assert f"{name}_dryrun" in names_of(definitions)["jobs"]


def test_a_folder_that_can_name_no_sync_is_named() -> None:
    message = refusal(SYNC, "2024-images")
    assert re.search(r"/2024-images: the folder's name is not a sync name \(a letter, then .*\): add a name", message)
    with loaded({"2024-images/defs.yaml": SYNC + "      name: images\n"}) as definitions:
        assert resource_of(definitions).name == "images"


def test_the_home_is_that_of_the_commands_unless_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYVE_HOME", str(tmp_path))
    with loaded({"images/defs.yaml": SYNC}) as definitions:
        assert resource_of(definitions).home == str(tmp_path)
    with loaded({"images/defs.yaml": SYNC + "      home: var/hyve\n"}) as definitions:
        home = Path(resource_of(definitions).home)
        assert home.parts[-2:] == ("var", "hyve")
        assert home.is_absolute()
        assert home.parent.parent != Path.cwd()  # the project's folder
    with loaded({"images/defs.yaml": SYNC + "      home: ~/hyve\n"}) as definitions:
        assert resource_of(definitions).home == str(Path.home() / "hyve")


@pytest.mark.parametrize("location", ["shop", None])
def test_links_lead_to_the_code_location_of_the_project(location: str | None) -> None:
    with loaded({"images/defs.yaml": SYNC}, location) as definitions:
        node = definitions.resolve_asset_graph().get(dg.AssetKey(["images", "store"]))
        link: Any = node.metadata["written by copy"]
    if location is None:
        assert link.value == "images_copy"
    else:
        assert (link.job_name, link.location_name) == ("images_copy", "shop")


def test_the_component_can_be_made_in_python_too() -> None:
    component = BucketSync.model_validate({"source": {"bucket": "hyve-rootwork"}, "store": {"bucket": "hyve-store"}})
    definitions = component.build_defs(dg.ComponentTree.for_test().load_context.for_path(Path("/shop/defs/images")))
    assert "images_copy" in names_of(definitions)["jobs"]
    with pytest.raises(ValueError, match=r"overlaps the source: s3://hyve-store/a/ and s3://hyve-store/"):
        BucketSync.model_validate(
            {"source": {"bucket": "hyve-store"}, "store": {"bucket": "hyve-store", "prefix": "a"}}
        )


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ("schedule: 0 25 * * *", "schedule", "'0 25 * * *' is not a cron expression such as '0 2 * * *': hour '25' is"),
        (
            "timezone: Berlin",
            "timezone",
            "'Berlin' is not a time zone such as 'Europe/Berlin'; did you mean Europe/Berlin?",
        ),
        ("apply: some", "apply", "must be 'never', 'copies' or 'all', not the string 'some'"),
        ("name: my-images", "name", "'my-images' is not a sync name: a letter, then letters, digits and _, at most 63"),
        ("tiemzone: UTC", "tiemzone", "unknown key (known: source, store, options, schedule, timezone, "),
        ("options: fast", "options", "must be a mapping of keys to values, not the string 'fast'"),
        (
            "options: {max_deletes: 200%}",
            "options.max_deletes",
            "'200%' is neither a number of objects such as 500 nor",
        ),
        ("options: {concurrency: 0}", "options.concurrency", "must be at least 1, not 0"),
        ("options: {concurrency: '8'}", "options.concurrency", "must be a whole number, not the string '8'"),
        ("options: {include: ['']}", "options.include.0", "an empty glob matches nothing"),
        ("options: {exclude: '*'}", "options.exclude", "must be a list, such as ['*.jpg'], not the string '*'"),
        (
            "options: {trash: 's3://hyve-store/t'}",
            "options.trash",
            "overlaps the store: s3://hyve-store/t/ and s3://hyve-store/; neither may contain the other",
        ),
        ("owners: [nobody]", "owners.0", "'nobody' is neither a mail address nor a team such as 'team:data'"),
        ("tags: {a b: c}", "tags.a b.[key]", "'a b' is not the key of a tag"),
        (
            "mapping: [{from: a/, too: b/}]",
            "mapping.0.too",
            "unknown key (known: from, to, match, replace, inverse; did",
        ),
        ("mapping: [{from: a, to: x}, {from: ab, to: y}]", "mapping", "rule 2 never applies: all its keys begin as"),
    ],
)
def test_a_mistake_is_told_with_its_line(line: str, place: str, message: str) -> None:
    told = refusal(SYNC + f"      {line}\n")
    assert re.search(rf"/images/defs\.yaml:6 - attributes\.{re.escape(place)}: {re.escape(message)}", told), told
    assert f"6 |   {line}" in told


def test_mistakes_of_places_are_told_with_their_lines() -> None:
    told = refusal("""
        type: hyve_pipeline.BucketSync
        attributes:
          source:
            bukcet: hyve-rootwork
            aws_secret_access_key: hush
          store:
            bucket: s3://hyve-store/x
            endpoint_url: s3.example.org
    """)
    lines = [line for line in told.splitlines() if "defs.yaml:" in line]
    known = (
        "known: bucket, prefix, profile, role_arn, external_id, anonymous, region, endpoint_url, resource, "
        "requester_pays, accelerate, dual_stack, addressing_style, inventory"
    )
    assert [line.partition("/images/defs.yaml:")[2] for line in lines] == [
        f"5 - attributes.source.bukcet: unknown key ({known}; did you mean bucket?)",
        f"6 - attributes.source.aws_secret_access_key: unknown key ({known})",
        "8 - attributes.store.bucket: 's3://hyve-store/x' is not a bucket name: omit s3://, and set what "
        "follows the name as prefix",
        "9 - attributes.store.endpoint_url: 's3.example.org' is not an endpoint such as 'https://s3.example.org:9000': "
        "write 'http://s3.example.org' or 'https://s3.example.org'",
    ]


@pytest.mark.parametrize(
    ("source", "store", "problem"),
    [
        ("{bucket: hyve-store, prefix: a}", "{bucket: hyve-store}", "store: overlaps the source"),
        # Whatever server this is, both buckets are on it.
        ("{bucket: hyve-store, resource: a}", "{bucket: hyve-store, resource: a}", "store: overlaps the source"),
        (
            "{bucket: hyve-in, resource: s3, profile: me}",
            "{bucket: hyve-store}",
            "source.resource: profile and resource",
        ),
        (
            "{bucket: hyve-in}",
            "{bucket: hyve-store, resource: s-3}",
            "store.resource: 's-3' is not the key of a Dagster",
        ),
        ("{bucket: hyve-in}", "", "store: must be a mapping"),
        (
            "{bucket: hyve-in, requester_pays: 1}",
            "{bucket: hyve-store}",
            "source.requester_pays: must be true or false",
        ),
        ("{bucket: my.in, accelerate: true}", "{bucket: hyve-store}", "source.accelerate: requires a bucket name"),
        (
            "{bucket: hyve-in}",
            "{bucket: hyve-store, endpoint_url: 'http://127.0.0.1:9000', dual_stack: true}",
            "store.dual_stack: dual_stack and endpoint_url are both set: keep one of them",
        ),
        (
            "{bucket: hyve-in}",
            "{bucket: hyve-store, addressing_style: dns}",
            "store.addressing_style: must be 'auto', 'path' or 'virtual'",
        ),
        ("{bucket: '{{ env.NONE_SUCH }}'}", "{bucket: hyve-store}", "source.bucket: must be text"),
    ],
)
def test_places_that_do_not_go_together_are_told(source: str, store: str, problem: str) -> None:
    told = refusal(f"type: hyve_pipeline.BucketSync\nattributes:\n  source: {source}\n  store: {store}\n")
    assert f" - attributes.{problem}" in told, told


def examples() -> list[str]:
    """The files that the documentation shows."""
    text = (Path(__file__).parents[3] / "docs" / "component.md").read_text()
    return re.findall(r"```yaml\n(type: hyve_pipeline\.BucketSync\n.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("text", examples())
def test_the_examples_of_the_documentation_load(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES_HOME", str(tmp_path))
    s3 = "import dagster as dg\ndefs = dg.Definitions(resources={'s3': dg.ResourceDefinition.none_resource()})\n"
    with loaded({"images/defs.yaml": text, "resources.py": s3}) as definitions:
        dg.Definitions.validate_loadable(definitions)


def test_attributes_are_needed() -> None:
    told = refusal("type: hyve_pipeline.BucketSync\n")
    assert "/images/defs.yaml:1 - attributes.source: is missing" in told
    assert "/images/defs.yaml:1 - attributes.store: is missing" in told
