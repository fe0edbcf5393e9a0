"""Source, store and trash by the servers that their requests go to."""

from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import BucketSettings, Place
from hyve_pipeline.operations.context import Home, SyncContext, syncs_with_same_store
from hyve_pipeline.operations.places import locate_sync
from hyve_pipeline.orchestration.definitions.build import build_sync
from hyve_pipeline.orchestration.definitions.resources import SyncResource
from hyve_pipeline_tests.conftest import PROFILE
from hyve_pipeline_tests.syncs import sync_table

pytestmark = pytest.mark.usefixtures("aws_profile")

URL = "http://127.0.0.1:9000"


@pytest.fixture
def profiles(tmp_path: Path) -> None:
    """Two profiles with a server each, and one with the first of them by a services section."""
    (tmp_path / "aws_config").write_text(
        f"[profile one]\nendpoint_url = {URL}\n[profile two]\nEndpoint_URL = http://127.0.0.1:9001\n"
        f"[profile third]\nservices = own\n[services own]\ns3 =\n  endpoint_url = {URL}\n"
    )


def sync(source: dict[str, str], store: dict[str, str], trash: str | None = None) -> SyncSettings:
    return SyncSettings(
        name="images",
        source=BucketSettings.model_validate({"bucket": "data", "prefix": "incoming/"} | source),
        store=BucketSettings.model_validate({"bucket": "data"} | store),
        options=Options(trash=trash),
    )


def context(settings: SyncSettings, home: Path) -> SyncContext:
    return SyncContext(Home(home), settings)


@pytest.mark.parametrize(
    ("source", "store", "environment"),
    [
        ({"endpoint_url": URL}, {}, {"AWS_ENDPOINT_URL": URL}),
        ({"endpoint_url": URL}, {}, {"AWS_ENDPOINT_URL_S3": "http://localhost:9000/"}),
        ({}, {"endpoint_url": URL}, {"AWS_ENDPOINT_URL": URL}),
        ({"profile": PROFILE}, {}, {}),
        ({"profile": "one"}, {"endpoint_url": URL}, {}),
        ({"profile": "one"}, {"profile": "third"}, {}),
        ({"profile": "one"}, {}, {"AWS_PROFILE": "one"}),
        ({"profile": "one"}, {"profile": "two"}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9002"}),
        ({"profile": "one"}, {"profile": "two"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
        ({"endpoint_url": "https://s3.eu-west-3.amazonaws.com"}, {}, {}),
    ],
)
def test_one_place_under_two_names_is_refused(
    source: dict[str, str],
    store: dict[str, str],
    environment: dict[str, str],
    profiles: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = sync(source, store)
    with pytest.raises(ConfigurationError) as caught:
        context(settings, tmp_path)
    message = str(caught.value)
    assert message.startswith(
        "sync images: store overlaps the source: s3://data/ and s3://data/incoming/, on one server"
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("source", "store", "environment"),
    [
        ({"profile": "one"}, {"profile": "two"}, {}),
        ({"profile": "one"}, {}, {}),
        ({"endpoint_url": URL}, {}, {}),
        ({"endpoint_url": URL}, {}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9001"}),
        ({"endpoint_url": URL}, {}, {"AWS_ENDPOINT_URL": URL, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
        ({"endpoint_url": "https://s3.eu-west-3.amazonaws.com"}, {"profile": "one"}, {}),
    ],
)
def test_two_servers_are_two_places(
    source: dict[str, str],
    store: dict[str, str],
    environment: dict[str, str],
    profiles: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen = context(sync(source, store), tmp_path)
    assert chosen.located("source").server != chosen.located("store").server


def test_trash_in_the_bucket_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = sync({"endpoint_url": URL}, {"bucket": "store"}, trash="s3://data/incoming/trash/")
    context(settings, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    expected = r"options\.trash overlaps the source: s3://data/incoming/trash/ and s3://data/incoming/, on one server"
    with pytest.raises(ConfigurationError, match=expected):
        context(settings, tmp_path)


def test_the_trash_is_on_the_server_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    trash = context(sync({}, {"bucket": "store"}, trash="s3://trash/"), tmp_path).settings.trash
    assert isinstance(trash, Place)
    assert (trash.server, trash.shown_server) == ("localhost:9000", f"{URL} (from AWS_ENDPOINT_URL)")


def test_a_resource_that_is_not_known_here_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    settings = sync({"resource": "s3"}, {"endpoint_url": URL})
    chosen = context(settings, tmp_path)
    assert not isinstance(chosen.place("source"), Place)
    with pytest.raises(ConfigurationError, match="only runs of that project"):
        chosen.located("source")
    with pytest.raises(ConfigurationError, match="store overlaps the source"):
        SyncContext(Home(tmp_path), settings, {"s3": None})


def test_aws_settings_that_can_not_be_used_are_told_by_what_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://host/path")
    chosen = context(sync({}, {"bucket": "store"}), tmp_path)
    for ask in (chosen.located, lambda side: chosen.connect(chosen.place(side))):
        with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL: 'http://host/path' is not an endpoint"):
            ask("source")


def test_files_that_mention_no_server_are_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "aws_config").write_text("[no profile at all\n")
    located = locate_sync(sync({}, {"bucket": "store"}), ())
    assert [place.server for place in (located.source, located.store)] == ["aws", "aws"]


def test_other_syncs_with_the_same_store_are_found_by_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    store = BucketSettings(bucket="store")
    named = store.model_copy(update={"endpoint_url": URL})
    tables = [
        sync_table("one", BucketSettings(bucket="in-1"), store),
        sync_table("two", BucketSettings(bucket="in-2"), named),
        sync_table(
            "three", BucketSettings(bucket="in-3"), store.model_copy(update={"endpoint_url": "http://127.0.0.1:9001"})
        ),
    ]
    (tmp_path / "hyve.toml").write_text("".join(tables))
    assert syncs_with_same_store(SyncContext.choose(Home(tmp_path), "one")) == ["two"]


def test_a_run_of_dagster_finds_out_where_its_own_environment_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = sync({"endpoint_url": URL}, {})
    resource = SyncResource.of(Home(tmp_path), settings)
    assert resource.context().located("store").server == "aws"
    # Also where the definitions were loaded in another environment than the run.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9001")
    elsewhere = SyncResource.of(Home(tmp_path), context(settings, tmp_path).settings)
    assert elsewhere.context().located("store").shown_server == "http://127.0.0.1:9001 (from AWS_ENDPOINT_URL)"
    monkeypatch.setenv("AWS_ENDPOINT_URL", URL)
    for made_before in (resource, elsewhere):
        with pytest.raises(ConfigurationError, match="store overlaps the source"):
            made_before.context()
    with pytest.raises(ConfigurationError, match="store overlaps the source"):
        build_sync(Home(tmp_path), settings)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (f"s3://data/incoming/state/?endpoint_url={URL}", r"the source s3://data/incoming/ overlap, on one server"),
        (f"s3://store/?endpoint_url={URL}", "the store s3://store/ overlap"),
        (f"s3://store/state/?endpoint_url={URL}", "the store s3://store/ overlap"),
        ("s3://store/state/?profile=one", "the store s3://store/ overlap"),
        (f"s3://kept/?endpoint_url={URL}", "the trash s3://kept/trash/ overlap"),
    ],
)
def test_a_sync_may_not_delete_its_own_state(
    state: str, found: str, profiles: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = {"endpoint_url": URL}
    settings = sync(side, {"bucket": "store"} | side, trash="s3://kept/trash/")
    monkeypatch.setenv("HYVE_STATE", state)
    with pytest.raises(ConfigurationError, match=f"sync images: the state s3://.* and {found}"):
        context(settings, tmp_path)


@pytest.mark.parametrize(
    "state", [f"s3://data/state/?endpoint_url={URL}", "s3://store/state/", "s3://store/state/?profile=two"]
)
def test_a_state_beside_the_objects_or_on_another_server(
    state: str, profiles: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = {"endpoint_url": URL}
    monkeypatch.setenv("HYVE_STATE", state)
    context(sync(side, {"bucket": "store"} | side), tmp_path)
