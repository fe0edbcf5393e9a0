"""The cookbook's recipes do what the page says: their settings and commands are read from it and tried."""

import json
import re
from pathlib import Path

import pytest
import yaml

from hyve_pipeline.core.settings.load import load_settings
from hyve_pipeline_tests.conftest import PROFILE, MakeBucket
from hyve_pipeline_tests.contract.test_dg import dg_all, make_project
from hyve_pipeline_tests.docs.recipes import COOKBOOK, Command, Recipe, recipes
from hyve_pipeline_tests.orchestration.projects import loaded, resource_of
from hyve_pipeline_tests.receivers import Webhook
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from hyve_pipeline_tests.syncs import Bucket, Hyve, MakePair, Pair, next_second

RECIPES = recipes()


def follow(recipe: Recipe, hyve: Hyve) -> None:
    """Type the recipe's commands, and compare what they say with what the page shows."""
    assert recipe.commands
    for command in recipe.commands:
        assert command.program == "hyve"
        finished = hyve(*command.arguments)
        assert finished.code == command.code, (command, finished.out, finished.err)
        check_shown(command, finished.out + finished.err)


def check_shown(command: Command, said: str) -> None:
    """The lines that the page shows were printed; an ellipsis stands for a part of a line."""
    for line in command.shown:
        assert re.search(".*".join(map(re.escape, line.split("…"))), said), (command, line, said)


def test_the_page_has_ten_recipes_and_names_them_at_its_head() -> None:
    assert list(RECIPES) == list(range(1, 11))
    links = re.findall(r"^\d+\. \[(.+)\]\(#(.+)\)$", COOKBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert [title for title, _ in links] == [recipe.title for recipe in RECIPES.values()]
    for recipe, (title, anchor) in zip(RECIPES.values(), links, strict=True):
        assert anchor == re.sub(r"[^\w -]", "", f"{recipe.number}. {title}").lower().replace(" ", "-")


@pytest.mark.parametrize("number", [number for number, recipe in RECIPES.items() if recipe.of("toml")])
def test_the_settings_of_a_recipe_are_valid(number: int, tmp_path: Path) -> None:
    (text,) = RECIPES[number].of("toml")
    sides = ""
    for side in ("source", "store"):
        if f"[sync.images.{side}]" not in text:
            sides += f'[sync.images.{side}]\nbucket = "hyve-{side}"\n'
    file = tmp_path / "hyve.toml"
    file.write_text(sides + text)
    assert list(load_settings(file).sync) == ["images"]


def test_two_accounts(make_pair: MakePair, hyve: Hyve, tmp_path: Path) -> None:
    recipe = RECIPES[1]
    pair = make_pair()
    profiles = [recipe.settings[side]["profile"] for side in ("source", "store")]
    with (tmp_path / "aws_credentials").open("a") as file:
        for profile in profiles:
            file.write(
                f"[{profile}]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
            )
    text = (pair.home / "hyve.toml").read_text()
    assert len(set(profiles)) == 2
    for profile in profiles:
        text = text.replace(f'profile = "{PROFILE}"', f'profile = "{profile}"', 1)
    (pair.home / "hyve.toml").write_text(text)
    pair.source.put({"photos/1.jpg": b"1" * 1_200})
    follow(recipe, hyve)


def test_another_server(make_pair: MakePair, rclone_endpoint: str, make_bucket: MakeBucket, hyve: Hyve) -> None:
    recipe = RECIPES[2]
    endpoints = [recipe.settings[side]["endpoint_url"] for side in ("source", "store")]
    assert len(set(endpoints)) == 2
    pair = make_pair()
    store = pair.store.place.model_copy(
        update={"endpoint_url": rclone_endpoint, "bucket": make_bucket("other", endpoint_url=rclone_endpoint)}
    )
    pair = Pair(pair.home, pair.source, Bucket(store, rclone_endpoint))
    pair.configure()
    pair.source.put({f"photos/{number}.jpg": b"%d" % number for number in range(4)})
    follow(recipe, hyve)
    assert pair.store.read() == pair.source.read()


def test_some_prefixes(make_pair: MakePair, hyve: Hyve) -> None:
    recipe = RECIPES[3]
    prefixes = (recipe.settings["source"]["prefix"], recipe.settings["store"]["prefix"])
    pair = make_pair(prefixes=prefixes, **recipe.settings["options"])
    pair.source.put({"albums/2026/a.jpg": b"1", "albums/2026/private/b.jpg": b"2", "albums/2025/c.jpg": b"3"})
    pair.store.put({"published/2025/old.jpg": b"stays"})
    follow(recipe, hyve)
    assert pair.store.keys() == ["published/2025/old.jpg", "published/2026/a.jpg"]


def test_a_store_that_is_full_already(make_pair: MakePair, hyve: Hyve) -> None:
    recipe = RECIPES[4]
    pair = make_pair(**recipe.settings["options"])
    pair.source.put({f"photos/{number}.jpg": b"%d" % number for number in range(6)})
    next_second()
    pair.store.take_from(pair.source, [f"photos/{number}.jpg" for number in range(5)])
    before = pair.store.listing()
    follow(recipe, hyve)
    after = pair.store.listing()
    assert {key: after[key] for key in before} == before
    assert pair.store.read() == pair.source.read()


def test_undo(make_pair: MakePair, make_bucket: MakeBucket, hyve: Hyve) -> None:
    recipe = RECIPES[5]
    trash = recipe.settings["options"]["trash"].replace("hyve-trash", make_bucket("trash"))
    pair = make_pair(trash=trash)
    pair.store.put({"a": b"old", "b": b"gone"})
    next_second()
    pair.source.put({"a": b"new"})
    follow(recipe, hyve)
    assert pair.store.read() == {"a": b"new"}


def test_a_cron_job(make_pair: MakePair, hyve: Hyve) -> None:
    recipe = RECIPES[6]
    pair = make_pair()
    pair.source.put({f"photos/{number}.jpg": b"%100d" % number for number in range(60)})
    (table,) = recipe.of("cron")
    (command,) = recipe.commands
    assert " ".join(("hyve", *command.arguments)) in table
    follow(recipe, hyve)
    assert pair.store.read() == pair.source.read()


def test_a_dagster_project(tmp_path: Path) -> None:
    recipe = RECIPES[7]
    (text,) = recipe.of("yaml")
    with loaded({"images/defs.yaml": text}) as definitions:
        names = {job.name for job in definitions.resolve_all_job_defs()}
        assert {"images_dryrun", "images_copy", "images_delete", "images_verify"} <= names
        assert Path(resource_of(definitions).home).parts[-2:] == ("var", "hyve")
    assert [command.program for command in recipe.commands] == ["dg", "dg"]
    project = make_project(tmp_path)
    answers = dg_all(project, *(" ".join(command.arguments) for command in recipe.commands))
    for command, said in zip(recipe.commands, answers, strict=True):
        assert said.code == 0, said.text
        check_shown(command, said.text)


def test_kubernetes() -> None:
    (text,) = RECIPES[8].of("yaml")
    job = yaml.safe_load(text)
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    work = job["spec"]["jobTemplate"]["spec"]
    assert work["backoffLimit"] == 0
    pod = work["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["hyve", "sync", "--json"]
    (mount,) = container["volumeMounts"]
    assert [volume["name"] for volume in pod["volumes"]] == [mount["name"]]
    # The page shows less of it, and nothing else.
    example = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "kubernetes" / "sync.cronjob.yaml").read_text())
    shown = {name: value for name, value in example["spec"].items() if name in job["spec"] and name != "jobTemplate"}
    assert shown == {name: value for name, value in job["spec"].items() if name != "jobTemplate"}
    (complete,) = example["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert (complete["image"], complete["args"]) == (container["image"], container["args"])
    assert all(variable in complete["env"] for variable in container["env"])


@pytest.mark.parametrize("state_kind", ["s3"], indirect=True)
def test_a_worker_on_kubernetes(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({f"photos/{number}.jpg": b"%100d" % number for number in range(60)})
    assert hyve("dryrun").code == 0
    (pair.home / "hyve.toml").unlink()
    follow(RECIPES[8], hyve)
    assert pair.store.read() == pair.source.read()


def test_alerts(make_pair: MakePair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = RECIPES[9]
    pair = make_pair()
    pair.source.put({"a": b"1"})
    pair.store.put({f"old/{number:03}": b"" for number in range(110)})
    variable = recipe.settings["automation"]["webhook_variable"]
    pair.automate("never", webhook_variable=variable)
    webhook = Webhook()
    try:
        monkeypatch.setenv(variable, webhook.url)
        ui, command = recipe.commands
        assert (ui.program, ui.arguments) == ("hyve", ("ui",))
        finished = hyve(*command.arguments)
        assert finished.code == command.code == 3
        check_shown(command, finished.out + finished.err)
        (alert,) = webhook.alerts
    finally:
        webhook.stop()
    (shown,) = recipe.of("json")
    for name, value in json.loads(shown).items():
        assert re.fullmatch(".*".join(map(re.escape, value.split("…"))), alert[name]), (name, alert)


def test_after_exit_code_3(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"})
    pair.store.put({f"old/{number:03}": b"" for number in range(110)})
    follow(RECIPES[10], hyve)
    assert pair.store.keys() == ["a"]


def test_the_rules_after_exit_code_3_are_all_that_there_are() -> None:
    source = Path(__file__).parents[2] / "hyve_pipeline"
    refused: set[str] = set()
    for path in source.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        refused |= set(re.findall(r'RefusedError\(\s*"(\w+)"', text)) | set(re.findall(r'rule="(\w+)"', text))
    section = COOKBOOK.read_text(encoding="utf-8").partition("## 10.")[2]
    named: set[str] = set(
        re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in section.split("\n") if "|" in line))
    )
    assert refused - named == set()
