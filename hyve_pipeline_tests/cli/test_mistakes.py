"""Wrong usage, wrong configuration, wrong buckets: one line on standard error, and the right exit code."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, sync_table


@pytest.fixture
def configured(tmp_path: Path, aws_profile: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose configuration each test writes; no bucket of it exists."""
    monkeypatch.setenv("HYVE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / "hyve.toml"


_SIDES = '[sync.images.source]\nbucket = "in-bucket"\n[sync.images.store]\nbucket = "out-bucket"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sync.images.source\n", ["hyve.toml", "line 1"]),
        ("[sync.images.source]\nbucket = 'in-bucket'\n", ["hyve.toml", "[sync.images]", "store"]),
        (_SIDES + "[sync.images.options]\ncompar = 'size'\n", ["hyve.toml", "[sync.images.options]", "compar"]),
        (_SIDES + "[sync.images.options]\nmax_deletes = 'many'\n", ["[sync.images.options]", "max_deletes", "many"]),
        (_SIDES + "[sync.images.options]\ncompare = 'hash'\n", ["[sync.images.options]", "compare"]),
        (_SIDES + "[syncs.other]\n", ["hyve.toml", "syncs"]),
        (_SIDES + "[sync.images]\nbucket = 3\n", ["hyve.toml"]),
        (_SIDES.replace("in-bucket", "out-bucket"), ["overlap", "s3://out-bucket/"]),
        (_SIDES.replace("out-bucket", "in-bucket") + 'prefix = "below"\n', ["overlap", "s3://in-bucket/below/"]),
        (_SIDES + 'profile = "nobody"\n', ["[sync.images.store]", "profile", "nobody"]),
        (_SIDES + 'prefix = "a\x1b[2Jb"\n', ["hyve.toml"]),
        (_SIDES + 'requester_pays = "yes"\n', ["[sync.images.store]", "requester_pays", "true or false"]),
        (_SIDES.replace("out-bucket", "my.out") + "accelerate = true\n", ["accelerate", "'my.out'"]),
        (_SIDES + 'accelerate = true\nendpoint_url = "http://[::1]:9"\n', ["accelerate", "endpoint_url", "both set"]),
        (_SIDES + 'dual_stack = true\nendpoint_url = "http://[::1]:9"\n', ["dual_stack", "endpoint_url", "both set"]),
        ("", ["hyve.toml", "hyve configure"]),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line(text: str, words: list[str], configured: Path, hyve: Hyve) -> None:
    configured.write_text(text)
    for command in ("dryrun", "plans"):
        finished = hyve(command)
        assert finished.code == 2
        line = finished.only_line
        assert line.startswith("hyve")
        assert [word for word in words if word not in line] == []
        assert line.isprintable()
    assert sorted(path.name for path in configured.parent.iterdir()) == ["hyve.toml"]


@pytest.mark.parametrize(("kind", "said"), [("pipe", "is a named pipe, not a file"), ("device", "is a device, not a")])
def test_what_is_no_file_is_refused_at_once_wherever_a_file_is_named(
    kind: str, said: str, pair: Pair, tmp_path: Path, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong, proof = tmp_path / "wrong", tmp_path / "proof.json"
    if kind == "pipe":
        os.mkfifo(wrong)
    else:
        wrong.symlink_to("/dev/zero")
    pair.source.put({"a": b"1"})
    assert hyve("sync", "--yes").code == 0
    assert hyve("prove", "--output", str(proof)).code == 0
    named = (
        ("dryrun", "--keys", str(wrong)),
        ("prove", "--check", str(wrong)),
        ("prove", "--sign", str(wrong)),
        ("prove", "--check", str(proof), "--signed-by", str(wrong)),
    )
    for arguments in named:
        finished = hyve(*arguments)
        assert (finished.code, f"{wrong}: " in finished.only_line, said in finished.only_line) == (2, True, True)
    pair.configure(prices=str(wrong))
    assert (said in hyve("dryrun").err.splitlines()[-1], hyve("dryrun").code) == (True, 2)
    other = tmp_path / "other"
    other.mkdir()
    wrong.rename(other / "hyve.toml")
    monkeypatch.setenv("HYVE_HOME", str(other))
    for arguments in (("config",), ("config", "check"), ("plans",), ("dryrun",), ("metrics",)):
        finished = hyve(*arguments)
        assert (finished.code, said in finished.only_line) == (2, True)


def test_a_missing_configuration_says_what_writes_it(configured: Path, hyve: Hyve) -> None:
    for arguments in (("dryrun",), ("copy",), ("sync", "--json"), ("show", "x"), ("retry",), ("verify",)):
        finished = hyve(*arguments)
        assert finished.code == 2
        assert "hyve configure" in finished.only_line


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("dryrn",), "dryrn"),
        (("dryrun", "--jason"), "--jason"),
        (("dryrun", "extra"), "extra"),
        (("show",), "hyve dryrun"),
        (("help", "nothing"), "nothing"),
        (("dryrun", "--sync"), "--sync"),
        (("dryrun", "--sync", "imags"), "imags"),
        (("show", "20200101T000000000Z-00000000"), "hyve plans"),
        (("show", "../../secret"), "hyve plans"),
        (("show", "x" * 5_000), "5,000 characters"),
        (("undo", "a\nb"), "hyve plans"),
        (("verify", "--plan", "a\x00b"), "hyve plans"),
        (("plans", "--sync", ""), "''"),
        (("plans", "--sync", "x" * 5_000), "5,000 characters"),
        (("plans", "--home", ""), "must not be empty"),
        (("plans", "--home", "s3://bucket/hyve"), "not a local folder"),
        (("demo", "--home", "s3://bucket/hyve"), "not a local folder"),
        (("demo", "--home", "~nobody-of-this-name/hyve"), "no such user"),
        (("plans", "--home", "/tmp/a\nb"), "control character"),
        (("plans", "--home", "x" * 5_000), "File name too long"),
        (("copy", "--plan", "nothing"), "nothing"),
        (("copy", "000004"), "a plan is named by --plan ID"),
        (("sync", "images"), "a sync is named by --sync NAME"),
        (("dryrun", "images"), "a sync is named by --sync NAME"),
        (("completion", "bash", "extra"), "'hyve completion --help' shows what there is"),
        (("show", "--keys"), "show: Option '--keys' requires an argument; 'hyve show --help' shows what it takes"),
        (("ui", "--port", "abc"), "'abc' is not a whole number"),
        (("show", "--plan", "000004"), "the plan is named without it: hyve show ID"),
        (("delete",), "hyve dryrun"),
        (("retry",), "hyve dryrun"),
        (("verify",), "hyve dryrun"),
        (("verify", "--content", "5"), "verify: Invalid value for '--content': '5' is not a share"),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], word: str, configured: Path, hyve: Hyve) -> None:
    configured.write_text(_SIDES)
    finished = hyve(*arguments)
    assert finished.code == 2
    assert word in finished.only_line


@pytest.mark.parametrize("name", ["a%20b", "a?b"])
def test_a_home_that_dagster_can_not_use(name: str, configured: Path, hyve: Hyve) -> None:
    """Dagster names its databases by URLs, and does not quote what is in the path."""
    home = configured.parent.parent / name
    home.mkdir()
    (home / "hyve.toml").write_text(_SIDES)
    finished = hyve("ui", "--no-browser", "--port", "0", "--home", str(home))
    assert finished.code == 2
    assert name in finished.only_line
    assert sorted(path.name for path in home.parent.iterdir() if path.name.startswith("a") and path != home) == [
        "aws_credentials"
    ]


@pytest.mark.parametrize(
    "text",
    [
        *(b"nonsense: [\n", b"nonsense: 1\n", b"\x00\xff\xfe", b"- a\n- b\n", b"5", b"storage: 5\n", b"a: *b\n"),
        *(b"x" * 100_000, b"telemetry: maybe\n", b"!!python/object/apply:os.getcwd []\n"),
    ],
)
def test_a_wrong_dagster_yaml_is_one_line(text: bytes, configured: Path, hyve: Hyve) -> None:
    configured.write_text(_SIDES)
    settings = configured.parent / "dagster" / "dagster.yaml"
    settings.parent.mkdir()
    settings.write_bytes(text)
    finished = hyve("ui", "--no-browser", "--port", "0")
    assert finished.code == 2
    assert str(settings) in finished.only_line
    assert len(finished.only_line) < 600


@pytest.mark.parametrize("command", ["dryrun", "sync"])
@pytest.mark.local_state
def test_a_wrong_limit_is_told_before_anything_is_done(command: str, pair: Pair, hyve: Hyve) -> None:
    finished = hyve(command, "--max-deletes", "some")
    assert finished.code == 2
    assert "max" in finished.only_line
    assert "'some'" in finished.only_line
    assert not (pair.home / "state").exists()


def test_a_wrong_limit_for_a_plan_changes_nothing(pair: Pair, hyve: Hyve) -> None:
    pair.store.put({"a": b"1"})
    pair.source.put({"a": b"1"})
    assert hyve("dryrun").code == 0
    for command, option in (("delete", "--max-deletes"), ("copy", "--max-overwrites")):
        finished = hyve(command, option, "101%")
        assert finished.code == 2
        assert "'101%'" in finished.only_line


def test_a_name_is_needed_only_when_there_are_several(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"})
    assert hyve("dryrun").code == 0
    other = make_pair_table(pair)
    (pair.home / "hyve.toml").write_text((pair.home / "hyve.toml").read_text() + other)
    for command in ("dryrun", "copy", "plans"):
        finished = hyve(command)
        assert finished.code == 2
        assert "--sync" in finished.only_line
        assert "images" in finished.only_line
        assert "backup" in finished.only_line
    assert hyve("copy", "--sync", "images").code == 0
    assert pair.store.keys() == ["a"]
    backup = hyve("dryrun", "--sync", "backup", "--json")
    assert (backup.document["sync"], backup.document["new"]["objects"]) == ("backup", 1)
    assert len(hyve("plans", "--sync", "images", "--json").document["plans"]) == 1


def make_pair_table(pair: Pair) -> str:
    """A second sync, from the first one's store to elsewhere in its source's bucket."""
    source = pair.store.place
    store = pair.source.place.model_copy(update={"prefix": "backup/"})
    return sync_table("backup", source, store)


def test_a_plan_for_other_buckets_is_not_applied(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"})
    pair.store.put({"gone": b"1"})
    assert hyve("dryrun").code == 0
    text = (pair.home / "hyve.toml").read_text()
    (pair.home / "hyve.toml").write_text(text.replace(pair.store.name, "another-bucket"))
    for command in ("copy", "delete", "retry", "verify"):
        finished = hyve(command)
        assert finished.code == 2
        assert "another-bucket" in finished.only_line
    assert pair.store.read() == {"gone": b"1"}


@pytest.mark.parametrize("side", ["source", "store"])
def test_a_missing_bucket(side: str, pair: Pair, hyve: Hyve) -> None:
    text = (pair.home / "hyve.toml").read_text()
    pair.source.put({"a": b"1"})
    name = getattr(pair, side).name
    (pair.home / "hyve.toml").write_text(text.replace(name, "no-such-bucket"))
    finished = hyve("sync", "--json")
    assert finished.code == 4
    assert finished.out == ""
    line = finished.err.splitlines()[-1]
    assert "no-such-bucket" in line
    assert "NoSuchBucket" in line or "404" in line
    assert "Traceback" not in finished.err


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


def test_a_server_that_is_not_there(silent_port: int, pair: Pair, hyve: Hyve) -> None:
    place = pair.source.place.model_copy(update={"endpoint_url": f"http://127.0.0.1:{silent_port}"})
    (pair.home / "hyve.toml").write_text(sync_table("images", place, pair.store.place))
    finished = hyve("dryrun")
    assert finished.code == 4
    assert f"127.0.0.1:{silent_port}" in finished.only_line


@pytest.mark.local_state
def test_no_credentials_at_all(pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (pair.home / "hyve.toml").read_text()
    (pair.home / "hyve.toml").write_text(text.replace('profile = "hyve-tests"\n', ""))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    finished = hyve("dryrun")
    assert finished.code == 2
    assert "credentials" in finished.only_line
