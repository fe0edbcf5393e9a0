"""Commands where the environment or an AWS profile names the server, and not the settings."""

import io
import os
import sys
from pathlib import Path

import pytest

from hyve_pipeline.cli.main import run
from hyve_pipeline_tests.conftest import PROFILE, MakeBucket
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.servers import REGION
from hyve_pipeline_tests.syncs import NAME, Hyve, MakePair, Pair, sync_table

# With every command that works on a sync: none may take one place for two.
_COMMANDS = [
    *("dryrun", "copy", "delete", "sync", "verify", "retry", "plans", "report", "iam-policy"),
    *("show 20260131T020000000Z-1a2b3c4d", "undo 20260131T020000000Z-1a2b3c4d"),
]


def _name_one_side(pair: Pair, **values: str | None) -> None:
    """Let the store be in the source's bucket, and only the source's settings say on which server."""
    source = pair.source.place.model_copy(update={"prefix": "incoming/"})
    store = source.model_copy(update={"prefix": "", "endpoint_url": None} | values)
    (pair.home / "hyve.toml").write_text(sync_table(NAME, source, store))


def _profile_with(endpoint_url: str) -> None:
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[profile {PROFILE}]\nendpoint_url = {endpoint_url}\n")


@pytest.mark.parametrize("named_by", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "profile"])
@pytest.mark.local_state
def test_the_source_keeps_its_objects(
    make_pair: MakePair, hyve: Hyve, named_by: str, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make_pair()
    pair.source.put({f"incoming/{number}": b"1" for number in range(3)})
    _name_one_side(pair)
    if named_by == "profile":
        _profile_with(moto_endpoint)
    else:
        monkeypatch.setenv(named_by, moto_endpoint)
    before = pair.source.listing()
    finished = hyve("sync")
    assert finished.code == 2
    assert f"sync {NAME}: store overlaps the source: " in finished.only_line
    assert named_by in finished.only_line
    assert pair.source.listing() == before
    assert not (pair.home / "state").exists()


@pytest.mark.parametrize("command", _COMMANDS)
def test_no_command_takes_one_place_for_two(
    pair: Pair, hyve: Hyve, command: str, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _name_one_side(pair)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    finished = hyve(*command.split())
    assert finished.code == 2
    assert "store overlaps the source: " in finished.only_line


def test_a_sync_whose_server_the_environment_names(
    pair: Pair, hyve: Hyve, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = pair.store.place.model_copy(update={"endpoint_url": None})
    (pair.home / "hyve.toml").write_text(sync_table(NAME, pair.source.place, store))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    pair.source.put({"a": b"1"})
    finished = hyve("sync", "--json")
    assert finished.code == 0
    assert pair.store.read() == {"a": b"1"}
    assert hyve("show", finished.document["plan"], "--json").document["transfer"]["by"] == "server"
    found = hyve("doctor", "--json").document["checks"]
    checks = {(check["check"], check["place"]): check["detail"] for check in found}
    assert checks["servers", "home"].startswith("source and store are on one server, ")
    assert checks["endpoint", "source"] == f"requests go to {moto_endpoint} (named by endpoint_url in the settings)"
    assert checks["endpoint", "store"] == f"requests go to {moto_endpoint} (named by AWS_ENDPOINT_URL)"


def test_a_plan_is_not_applied_on_another_server(
    pair: Pair, hyve: Hyve, faulty: FaultyServer, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = pair.store.place.model_copy(update={"endpoint_url": None})
    (pair.home / "hyve.toml").write_text(sync_table(NAME, pair.source.place, store))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    pair.source.put({"a": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", faulty.endpoint_url)
    for command in ("copy", "delete", "verify", "retry", f"undo {plan}"):
        finished = hyve(*command.split())
        assert finished.code == 2, command
        was, now = (f"at {url} (from AWS_ENDPOINT_URL)" for url in (moto_endpoint, faulty.endpoint_url))
        expected = f"for the store {store.uri} {was}, requests now go to {store.uri} {now}: a sync has "
        assert expected in finished.only_line, command
    finished = hyve("dryrun")
    assert finished.code == 2
    assert f"is the state of {pair.source.place.uri} at " in finished.only_line
    named = f" to {store.uri} at {moto_endpoint} (from AWS_ENDPOINT_URL): give the sync another name"
    assert named in finished.only_line
    assert faulty.received == []
    assert pair.store.keys() == []
    assert hyve("plans").code == 0


def test_messages_name_the_server_of_the_environment(
    pair: Pair, hyve: Hyve, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = pair.store.place.model_copy(update={"endpoint_url": None, "bucket": "no-such-bucket"})
    (pair.home / "hyve.toml").write_text(sync_table(NAME, pair.source.place, store))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    finished = hyve("dryrun")
    assert finished.code == 4
    assert f"no bucket 'no-such-bucket' at {moto_endpoint} (from AWS_ENDPOINT_URL)" in finished.err


def test_configure_sees_where_the_requests_go(
    make_bucket: MakeBucket, aws_profile: str, tmp_path: Path, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    bucket = make_bucket()
    home = tmp_path / "home"
    home.mkdir()
    (home / "hyve.toml").write_text(
        f'[sync.images.source]\nbucket = "{bucket}"\nprefix = "incoming/"\nprofile = "{aws_profile}"\n'
        f'endpoint_url = "{moto_endpoint}"\n[sync.images.store]\nbucket = "elsewhere"\nprofile = "{aws_profile}"\n'
    )
    text = (home / "hyve.toml").read_text()
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code = run(["configure", "--home", str(home), "--no-input", "--out-bucket", bucket, "--region", REGION])
    assert code == 2
    assert "store overlaps the source: " in capsys.readouterr().err
    assert (home / "hyve.toml").read_text() == text


@pytest.mark.parametrize("prefix", ["incoming/", ""])
def test_two_names_of_one_server_are_found_out(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer, prefix: str
) -> None:
    pair = make_pair()
    pair.source.put({f"{prefix}{number}": b"1" for number in range(3)})
    source = pair.source.place.model_copy(update={"prefix": prefix})
    store = pair.source.place.model_copy(update={"endpoint_url": faulty.endpoint_url})
    (pair.home / "hyve.toml").write_text(sync_table(NAME, source, store, max_deletes="100%"))
    before = pair.source.listing()
    dryrun = hyve("dryrun", "--json")
    assert (dryrun.code, dryrun.document["refused"]["rule"]) == (3, "one_bucket")
    for command in ("copy --json", "delete --json --max-deletes 100%", "sync --json"):
        finished = hyve(*command.split())
        assert (finished.code, finished.document["refused"]["rule"]) == (3, "one_bucket"), command
        assert finished.document["copied"] == finished.document["deleted"] == 0
    assert hyve("verify").code == 3
    assert pair.source.listing() == before
    assert {received.method for received in faulty.received} <= {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("prefixes", "rule", "keys"),
    [
        (("", "a/"), "", ["1", "gone", "z"]),
        (("a/", ""), "", ["a/1", "a/gone", "a/z"]),
        (("", ""), 'from = "a/"\nto = "b/"', ["a/1", "a/gone", "a/z"]),
        (("", ""), "match = 'a/(.*)'\nreplace = 'b/\\1'", ["a/1", "a/gone", "a/z"]),
    ],
)
def test_a_list_of_keys_finds_it_out_too(
    make_pair: MakePair,
    hyve: Hyve,
    faulty: FaultyServer,
    tmp_path: Path,
    prefixes: tuple[str, str],
    rule: str,
    keys: list[str],
) -> None:
    """Each key is looked at under two names, of which a plan by these keys alone would compare only one in a bucket."""
    pair = make_pair()
    # In the store's names, what only the store has is the source's own, as is what would be overwritten.
    pair.source.put({"a/1": b"1", "a/gone": b"g", "b/1": b"b", "b/gone": b"b", "1": b"x", "gone": b"x", "z": b"z"})
    pair.source.delete(prefixes[0] + "gone" if not rule else "a/gone")
    source = pair.source.place.model_copy(update={"prefix": prefixes[0]})
    store = pair.source.place.model_copy(update={"endpoint_url": faulty.endpoint_url, "prefix": prefixes[1]})
    tables = sync_table(NAME, source, store, max_deletes="100%")
    (pair.home / "hyve.toml").write_text(tables + (f"[[sync.{NAME}.mapping]]\n{rule}\n" if rule else ""))
    listed = tmp_path / "keys.txt"
    listed.write_text("".join(f"{key}\n" for key in keys))
    before = pair.source.listing()
    finished = hyve("sync", "--keys", str(listed), "--yes", "--json")
    assert (finished.code, finished.document["refused"]["rule"]) == (3, "one_bucket"), finished
    assert pair.source.listing() == before
