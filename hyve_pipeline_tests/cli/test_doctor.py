"""`hyve doctor` on syncs that work, and on syncs with one thing wrong."""

import re
import tempfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hyve_pipeline.operations.doctor.doctor import examine
from hyve_pipeline.state.home import Home
from hyve_pipeline_tests.cli.doctored import denies, detail, verdicts
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.reports import Report, rows_of
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.servers import SECRET_ACCESS_KEY, client_for
from hyve_pipeline_tests.syncs import NAME, Bucket, Hyve, MakePair, Pair, sync_table
from hyve_pipeline_tests.terminals import open_terminal


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="stands in for a file on a full disk")
@pytest.mark.local_state
def test_finds_a_full_disk(make_pair: MakePair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = make_pair(versioned=True)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115
    finished = hyve("doctor", "--json")
    assert finished.code == 4
    assert verdicts(finished)["state", "home"] == "fail"
    found = detail(finished, "state", "home")
    assert found == f"{pair.home}: can't be written: No space left on device: free space there"
    # The rest is examined all the same.
    assert verdicts(finished)["listing", "store"] == "ok"


def test_finds_a_working_sync_in_order_and_changes_nothing(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(versioned=True)
    pair.source.put({"a": b"1"})
    before = pair.source.listing(), pair.store.listing()

    finished = hyve("doctor", "--json")

    assert finished.code == 0
    assert finished.document["healthy"] is True
    assert verdicts(finished) == {
        ("configuration", "home"): "ok",
        ("state", "home"): "ok",
        ("servers", "home"): "ok",
        ("credentials", "source"): "ok",
        ("endpoint", "source"): "ok",
        ("listing", "source"): "ok",
        ("clock", "source"): "ok",
        ("versioning", "source"): "ok",
        ("credentials", "store"): "ok",
        ("endpoint", "store"): "ok",
        ("listing", "store"): "ok",
        ("clock", "store"): "ok",
        ("reading", "source"): "ok",
        ("tags", "source"): "ok",
        ("copying", "store"): "ok",
        ("versioning", "store"): "ok",
        ("uploads", "store"): "ok",
        ("writing", "store"): "not tried",
    }
    assert (pair.source.listing(), pair.store.listing()) == before
    assert SECRET_ACCESS_KEY not in finished.out + finished.err


def test_prints_a_line_a_check(pair: Pair, hyve: Hyve) -> None:
    finished = hyve("doctor")
    assert finished.code == 0
    *lines, last = finished.out.splitlines()
    assert last == "next: hyve dryrun"
    assert len(lines) == 17
    assert all(re.match(r"(ok|not tried|warn) +\w+, \w+: .", line) for line in lines)
    # moto's new buckets have no versions, and this sync no trash.
    assert any(line.startswith("warn") and "enable versioning" in line for line in lines)


def test_what_needs_attention_is_coloured_on_a_terminal(
    pair: Pair, hyve: Hyve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in hyve("doctor").out
    terminal = open_terminal("doctor")
    assert terminal.end() == 0
    terminal.close()
    assert "\x1b[33mwarn       versioning, store" in terminal.shown
    assert re.search(r"^ok         listing, source", terminal.shown, re.MULTILINE)


def test_examines_the_trash(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(trash="s3://no-such-bucket/x/")
    finished = hyve("doctor", "--json")
    assert finished.code == 4
    assert verdicts(finished)["versioning", "store"] == "ok"
    assert "there is no bucket 'no-such-bucket'" in detail(finished, "listing", "trash")
    assert pair.store.keys() == []


def test_reads_the_manifest_of_a_report(make_pair: MakePair, make_place: MakePlace, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({"a": b"1"})
    place = make_place("reports", prefix="daily/")
    file = pair.home / "hyve.toml"
    head = "[sync.images.source]\n"
    file.write_text(file.read_text().replace(head, f'{head}inventory = "{place.uri}"\n'))
    missing = hyve("doctor", "--json")
    assert (missing.code, verdicts(missing)["inventory", "source report"]) == (4, "fail")
    assert "there is no S3 Inventory report: set inventory to" in detail(missing, "inventory", "source report")
    Report(pair.source.name, rows_of(pair.source)).write(Bucket(place, str(place.endpoint_url)))
    found = hyve("doctor", "--json")
    assert (found.code, verdicts(found)["inventory", "source report"]) == (0, "ok")
    assert ", 0 min ago: CSV, 1 file, current versions" in detail(found, "inventory", "source report")


def test_says_that_a_bucket_is_missing_and_goes_on(pair: Pair, hyve: Hyve) -> None:
    pair.source.client.delete_bucket(Bucket=pair.source.name)
    finished = hyve("doctor", "--json")
    assert finished.code == 4
    assert finished.document["healthy"] is False
    assert verdicts(finished)["listing", "source"] == "fail"
    assert verdicts(finished)["listing", "store"] == "ok"
    assert ("reading", "source") not in verdicts(finished)


def test_finds_a_state_of_other_buckets(pair: Pair, hyve: Hyve, make_place: MakePlace) -> None:
    assert hyve("dryrun").code == 0
    other = make_place("other")
    (pair.home / "hyve.toml").write_text(sync_table(NAME, pair.source.place, other))
    finished = hyve("doctor", "--json")
    assert (finished.code, verdicts(finished)["state", "home"]) == (2, "fail")
    found = detail(finished, "state", "home")
    assert found.startswith(f"sync images is of {pair.source.place.uri} ")
    assert f" is the state of {pair.source.place.uri} " in found
    assert f" to {pair.store.place.uri} " in found
    assert "give the sync another name or another home" in found
    # The rest is examined all the same.
    assert verdicts(finished)["listing", "store"] == "ok"


@pytest.mark.parametrize("text", ["[sync.images]\nsorce = 1\n", ""], ids=["mistake", "no sync"])
def test_a_wrong_configuration_is_the_only_finding_about_syncs(pair: Pair, hyve: Hyve, text: str) -> None:
    (pair.home / "hyve.toml").write_text(text)
    finished = hyve("doctor", "--json")
    assert finished.code == 2
    assert verdicts(finished) == {("configuration", "home"): "fail"}


def put_store_on(pair: Pair, endpoint_url: str, **options: str) -> None:
    """Let the store be on another server."""
    client_for(endpoint_url).create_bucket(Bucket=pair.store.name)
    store = pair.store.place.model_copy(update={"endpoint_url": endpoint_url})
    (pair.home / "hyve.toml").write_text(sync_table(NAME, pair.source.place, store, **options))


def test_two_servers_mean_streaming(pair: Pair, hyve: Hyve, second_moto_endpoint: str) -> None:
    put_store_on(pair, second_moto_endpoint)
    pair.source.put({"a": b"1"})
    finished = hyve("doctor", "--json", "--write")
    assert finished.code == 0
    assert detail(finished, "copying", "store").startswith("through this process: ")
    assert verdicts(finished)["writing", "store"] == "ok"
    assert client_for(second_moto_endpoint).list_objects_v2(Bucket=pair.store.name)["KeyCount"] == 0


def test_two_servers_and_copies_by_the_server_are_a_mistake(pair: Pair, hyve: Hyve, second_moto_endpoint: str) -> None:
    put_store_on(pair, second_moto_endpoint, transfer="server")
    finished = hyve("doctor", "--json")
    assert finished.code == 2
    assert verdicts(finished)["servers", "home"] == "fail"
    assert 'set transfer to "auto" or "stream"' in detail(finished, "servers", "home")


def test_says_what_the_server_needs_to_copy(
    make_pair: MakePair, hyve: Hyve, faulty: FaultyServer, tmp_path: Path
) -> None:
    pair = make_pair(through=faulty)
    pair.source.put({"a": b"1"})
    with (tmp_path / "aws_credentials").open("a") as file:
        file.write("[store]\naws_access_key_id = AKIDSTORE\naws_secret_access_key = secret\n")
    store = pair.store.place.model_copy(update={"profile": "store"})
    (pair.home / "hyve.toml").write_text(sync_table(NAME, pair.source.place, store))
    assert verdicts(hyve("doctor", "--json"))["copying", "store"] == "ok"
    faulty.fault = denies(
        lambda request: "AKIDSTORE" in request.headers["authorization"] and f"/{pair.source.name}/" in request.path
    )
    finished = hyve("doctor", "--json")
    assert (finished.code, verdicts(finished)["copying", "store"]) == (0, "warn")
    assert "allow profile 'store' to s3:GetObject and s3:GetObjectTagging" in detail(finished, "copying", "store")


def test_tells_of_uploads_that_were_left_open(pair: Pair, hyve: Hyve) -> None:
    pair.store.client.create_multipart_upload(Bucket=pair.store.name, Key="left")
    finished = hyve("doctor", "--json")
    assert (finished.code, verdicts(finished)["uploads", "store"]) == (0, "warn")
    assert "1 upload in parts is open" in detail(finished, "uploads", "store")


@pytest.mark.parametrize(
    ("minutes", "verdict", "code"), [(0, "ok", 0), (-5, "warn", 0), (5, "warn", 0), (-20, "fail", 1), (20, "fail", 1)]
)
def test_compares_the_clocks(
    make_pair: MakePair,
    hyve: Hyve,
    faulty: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    verdict: str,
    code: int,
) -> None:
    make_pair(through=faulty)

    def date(_handler: object) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)

    # It is the server's clock, which is part of this process.
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", date)
    finished = hyve("doctor", "--json")
    assert (finished.code, verdicts(finished)["clock", "source"]) == (code, verdict)


def test_has_not_the_patience_of_a_night(make_pair: MakePair, faulty: FaultyServer) -> None:
    pair = make_pair(through=faulty, patience_seconds=3600)
    pair.source.put({"a": b"1"})
    ill = "versioning", "uploads", "website"
    faulty.fault = lambda received: error_answer(500, "InternalError") if {*ill} & set(received.query) else None
    findings = {
        (finding.check, finding.place): finding for finding in examine(Home(pair.home), None, patience_seconds=0)
    }
    assert findings["versioning", "source"].detail == "not known (InternalError): 'hyve dryrun --as-of' is not possible"
    assert findings["uploads", "store"].detail == "open uploads can't be listed (InternalError)"
