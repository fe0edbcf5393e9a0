"""What a project may change of the assets and ops of a sync, and that all that belongs to them follows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline_tests.orchestration.conftest import Daemon, failure_of
from hyve_pipeline_tests.orchestration.projects import SYNC, loaded, refusal
from hyve_pipeline_tests.syncs import Hyve, Pair

TRANSLATION = """
      translation:
        key: "media/{{ sync }}_{{ name }}"
        deps: "{{ ['uploads'] if name in ('source', 'new') else [] }}"
        group_name: archive
        description: "{{ name }} of {{ sync }}. {{ spec.description }}"
        metadata: {cost_centre: 4711}
        tags: {tier: gold}
        kinds: [s3]
"""

ASSETS = {
    *("source", "source_inventory", "store_inventory", "new", "modified", "duplicate_stores"),
    *("plan", "store", "verification", "journal"),
}


def node_of(definitions: dg.Definitions, key: str) -> Any:
    return definitions.resolve_asset_graph().get(dg.AssetKey.from_user_string(key))


def parents_of(definitions: dg.Definitions, key: str) -> set[str]:
    return {parent.to_user_string() for parent in node_of(definitions, key).parent_keys}


def test_a_translation_changes_every_asset_and_what_belongs_to_it() -> None:
    with loaded({"images/defs.yaml": SYNC + TRANSLATION}) as definitions:
        dg.Definitions.validate_loadable(definitions)
        graph = definitions.resolve_asset_graph()
        keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
        assert keys == {f"media/images_{name}" for name in ASSETS} | {"uploads"}
        assert {key.asset_key.path[0] for key in graph.asset_check_keys} == {"media"}
        assert len(graph.toposorted_asset_keys) == len(keys)
        dryrun = definitions.resolve_job_def("images_dryrun").asset_layer
        assert dg.AssetKey(["media", "images_plan"]) in dryrun.selected_asset_keys
        assert parents_of(definitions, "media/images_source") == {"uploads"}
        assert parents_of(definitions, "media/images_store") == {"media/images_plan"}
        assert parents_of(definitions, "media/images_new") == {
            "media/images_source_inventory",
            "media/images_store_inventory",
            "uploads",
        }
        plan = node_of(definitions, "media/images_plan")
        assert (plan.group_name, plan.kinds, plan.tags["tier"]) == ("archive", {"s3"}, "gold")
        assert plan.description.startswith("plan of images. Every object to copy or delete")
        assert plan.metadata["cost_centre"] == 4711
        # What is not translated stays: columns, the tag with the sync, the partitions.
        assert plan.tags["hyve/sync"] == "images"
        assert plan.metadata["dagster/column_schema"].columns
        assert node_of(definitions, "media/images_store").partitions_def is not None


def test_a_prefix_of_the_keys_and_a_function_are_translations_too() -> None:
    with loaded({"images/defs.yaml": SYNC + "      translation: {key_prefix: media}\n"}) as definitions:
        assert node_of(definitions, "media/images/plan").group_name == "images"
    function = """
        import dagster as dg

        @dg.template_var
        def renamed():
            return lambda spec, name: spec.replace_attributes(key=["archive", name])
    """
    text = (SYNC + '      translation: "{{ renamed(spec, name) }}"\n').replace(
        "BucketSync\n", "BucketSync\n    template_vars_module: .names\n"
    )
    files = {"images/defs.yaml": text, "images/names.py": function, "images/__init__.py": ""}
    with loaded(files) as definitions:
        assert node_of(definitions, "archive/plan").is_executable


@pytest.mark.parametrize(
    ("translation", "message"),
    [
        (
            "{key: media/plan}",
            "sync images: the translation gives images/source and images/store the same key media/plan: use the name",
        ),
        (
            "{partitions_def: {type: daily, start_date: '2026-01-01'}}",
            "sync images: the translation changes the partitions of images/source",
        ),
        ("{gruop_name: media}", "6 - attributes.translation.gruop_name: unknown key (known: deps, description, "),
        ("{kinds: 1}", "6 - attributes.translation.kinds: "),
        ("[media]", "6 - attributes.translation: must be a mapping of keys to values"),
    ],
)
def test_a_translation_that_is_not_possible_is_refused(translation: str, message: str) -> None:
    said = refusal(SYNC + f"      translation: {translation}\n")
    assert message in said


def test_two_syncs_can_have_one_translation_if_the_keys_differ() -> None:
    films = SYNC.replace("hyve-store", "film-store") + TRANSLATION
    with loaded({"images/defs.yaml": SYNC + TRANSLATION, "films/defs.yaml": films}) as definitions:
        dg.Definitions.validate_loadable(definitions)
        assert node_of(definitions, "media/films_plan").is_executable
    same = '      translation: {key: "media/{{ name }}"}\n'
    films = SYNC.replace("hyve-store", "film-store") + same
    with (
        loaded({"images/defs.yaml": SYNC + same, "films/defs.yaml": films}) as definitions,
        pytest.raises(dg.DagsterInvalidDefinitionError, match=r"media.*plan"),
    ):
        dg.Definitions.validate_loadable(definitions)


def test_post_processing_and_references_to_the_file() -> None:
    text = (
        SYNC
        + """
    post_processing:
      assets:
        - target: "key:images/plan"
          attributes: {group_name: plans, tags: {tier: gold}}
    """
    )
    with loaded({"images/defs.yaml": text}) as definitions:
        dg.Definitions.validate_loadable(definitions)
        assert node_of(definitions, "images/plan").group_name == "plans"
        assert node_of(definitions, "images/new").group_name == "images"
        for name in ("plan", "store"):
            (reference,) = node_of(definitions, f"images/{name}").metadata["dagster/code_references"].code_references
            assert Path(reference.file_path).parts[-2:] == ("images", "defs.yaml")


def test_the_ops_get_what_is_set_for_them() -> None:
    op = "      op: {name: archive, tags: {team: media}, pool: s3, description: On our own machines.}\n"
    with loaded({"images/defs.yaml": SYNC + op}) as definitions:
        dg.Definitions.validate_loadable(definitions)
        ops = [
            node.definition
            for job in ("images_dryrun", "images_verify", "images_copy", "images_delete", "images_undo")
            for node in definitions.resolve_job_def(job).nodes
        ]
    assert {op.name for op in ops} == {
        *("archive_inventories", "archive_diff", "archive_plan", "archive_verification"),
        *("archive_copy_shard", "archive_delete_shard", "archive_undo_plan"),
    }
    for op in ops:
        assert isinstance(op, dg.OpDefinition)
        assert (op.tags["team"], op.pool, op.description) == ("media", "s3", "On our own machines.")


@pytest.fixture
def instance(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_instance(Home(pair.home)) as opened:
        yield opened


def file_of(pair: Pair, more: str = "", component: str = "hyve_pipeline.BucketSync") -> str:
    """The file of a component that is the pair's sync."""

    def side(place: BucketSettings) -> dict[str, Any]:
        return place.model_dump(include={"bucket", "prefix", "profile", "region", "endpoint_url"}, exclude_none=True)

    attributes = {
        "home": str(pair.home),
        "source": side(pair.source.place),
        "store": side(pair.store.place),
        **(yaml.safe_load(more) or {}),
    }
    return yaml.safe_dump({"type": component, "attributes": attributes})


def test_runs_and_commands_are_reported_under_the_translated_keys(
    pair: Pair, hyve: Hyve, instance: dg.DagsterInstance
) -> None:
    pair.source.put({"a": b"1", "b": b"2"})
    pair.store.put({"gone": b"3"})
    with loaded({"images/defs.yaml": file_of(pair, TRANSLATION)}) as definitions:

        def run(job: str) -> None:
            result = definitions.resolve_job_def(job).execute_in_process(instance=instance)
            assert result.success

        for job in ("images_dryrun", "images_copy", "images_delete", "images_verify"):
            run(job)
        assert pair.store.read() == {"a": b"1", "b": b"2"}
        materialized = {key.to_user_string() for key in instance.get_asset_keys()}
        assert materialized == {f"media/images_{name}" for name in ASSETS - {"source", "journal"}}

        # A user's own asset reads a table of the sync, through the IO manager.
        plan: Any = definitions.load_asset_value(dg.AssetKey(["media", "images_plan"]), instance=instance)
        pair.source.put({"c": b"3"})
        assert hyve("sync").code == 0
        daemon = Daemon(instance, Home(pair.home))
        daemon._built = daemon.sync.settings, definitions
        daemon.tick("record")
        assert {key.to_user_string() for key in instance.get_asset_keys()} == {
            f"media/images_{name}" for name in ASSETS - {"source"}
        }
        event = instance.get_latest_materialization_event(dg.AssetKey(["media", "images_plan"]))
        assert event is not None
        assert event.asset_materialization is not None
        shown = event.asset_materialization.metadata
        assert shown["command"].value == "hyve sync"
        assert plan.id != shown["plan"].value
        checks = list(definitions.resolve_asset_graph().asset_check_keys)
        records = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
        assert set(records) == set(checks)


def test_a_home_whose_sync_belongs_to_other_buckets_is_refused(
    pair: Pair, hyve: Hyve, instance: dg.DagsterInstance, state_place: BucketSettings | None
) -> None:
    pair.source.put({"a": b"1"})
    with loaded({"images/defs.yaml": file_of(pair)}) as definitions:
        assert hyve("dryrun").code == 0
        lists = pair.lines("new")
        result = definitions.resolve_job_def("images_dryrun").execute_in_process(instance=instance)
        assert result.success
    other = file_of(pair).replace(pair.store.name, "another-store")
    endpoint = pair.store.place.endpoint_url
    source, store = (f"{bucket.place.uri} at {endpoint}" for bucket in (pair.source, pair.store))
    said = (
        f"sync images is of {source} to s3://another-store/ at {endpoint}, but {pair.context().state.uri} is the state "
        f"of {source} to {store}: give the sync another name or another home, or move this state away, to begin anew"
    )
    # In a bucket, the state is read by runs alone; so is that of the syncs of `hyve.toml`.
    if state_place is None:
        assert refusal(other) == said
    file = pair.home / "hyve.toml"
    file.write_text(file.read_text().replace(pair.store.name, "another-store"))
    finished = hyve("dryrun")
    assert (finished.code, finished.only_line) == (2, f"hyve: {said}")
    daemon = Daemon(instance, Home(pair.home))
    result = daemon.definitions.resolve_job_def("images_dryrun").execute_in_process(
        instance=instance, raise_on_error=False
    )
    assert said in failure_of(result)
    assert pair.lines("new") == lists
    Home(pair.home).storage.remove("images")
    assert hyve("dryrun").code == 4  # it begins anew, and there is no such bucket


def test_the_subclass_of_the_documentation(
    pair: Pair, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "component.md").read_text()
    _, _, section = page.partition("## Customize by subclassing")
    code, *_ = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    text, *_ = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "archive.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    pair.source.put({"a": b"1"})
    written = yaml.safe_load(text)
    assert written["attributes"].keys() == {"team", "source", "store"}
    with loaded({"images/defs.yaml": file_of(pair, "team: media", written["type"])}) as definitions:
        plan = node_of(definitions, "images/plan")
        assert (plan.owners, plan.metadata["step"]) == (["team:media"], "plan")
        result = definitions.resolve_job_def("images_dryrun").execute_in_process(instance=instance)
        copied = definitions.resolve_job_def("images_copy").execute_in_process(instance=instance)
    logged = [entry.user_message for run in (result, copied) for entry in instance.all_logs(run.run_id)]
    for step in ("inventories", "diff", "plan", "copy"):
        assert any(line.startswith(f"{step} of images took ") for line in logged), step
    assert pair.store.read() == {"a": b"1"}
    said = refusal(file_of(pair, "taem: media", written["type"]))
    assert re.search(r"attributes\.taem: unknown key \(known: .*; did you mean team\?\)", said)
