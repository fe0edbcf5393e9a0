"""Servers that are reached by TLS, with a certificate of an authority of one's own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline_tests.conftest import PROFILE
from hyve_pipeline_tests.syncs import NAME, Hyve, MakePair, Pair, sync_table
from hyve_pipeline_tests.tls import tls_server

pytestmark = pytest.mark.local_state


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def endpoint(moto_endpoint: str, authority: trustme.CA) -> Iterator[str]:
    with tls_server(moto_endpoint, authority) as url:
        yield url


def _reach_by_tls(pair: Pair, endpoint: str, **options: object) -> None:
    source, store = (bucket.place.model_copy(update={"endpoint_url": endpoint}) for bucket in (pair.source, pair.store))
    (pair.home / "hyve.toml").write_text(sync_table(NAME, source, store, **options))


def _trust(authority: trustme.CA, file: Path, named_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(file)
    if named_by == "profile":
        Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[profile {PROFILE}]\nca_bundle = {file}\n")
    else:
        monkeypatch.setenv(named_by, str(file))


@pytest.mark.parametrize(("transport", "named_by"), [("crt", "AWS_CA_BUNDLE"), ("botocore", "profile")])
@pytest.mark.parametrize("transfer", ["server", "stream"])
def test_a_sync_by_tls(
    make_pair: MakePair,
    hyve: Hyve,
    endpoint: str,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transport: TransportName,
    named_by: str,
    transfer: str,
) -> None:
    pair = make_pair()
    pair.source.put({"small": b"1", "large": bytes(2 * MIB), "odd/ \u00e4+%.jpg": b"2"})
    pair.store.put({"more": b"3"})
    _reach_by_tls(pair, endpoint, transport=transport, transfer=transfer, max_deletes="100%")
    _trust(authority, tmp_path / "authority.pem", named_by, monkeypatch)
    finished = hyve("sync", "--yes")
    assert (finished.code, finished.err.count("TLS")) == (0, 0)
    assert pair.store.read() == pair.source.read()


@pytest.mark.parametrize("trusted", [None, "another"])
def test_a_certificate_that_is_not_trusted(
    make_pair: MakePair,
    hyve: Hyve,
    endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: str | None,
) -> None:
    pair = make_pair()
    # The CRT says the same, after half a minute: its TLS library waits so long before it reports a failed handshake.
    _reach_by_tls(pair, endpoint, transport="botocore")
    if trusted is not None:
        _trust(trustme.CA(), tmp_path / "authority.pem", "AWS_CA_BUNDLE", monkeypatch)
    finished = hyve("dryrun")
    assert finished.code == 4
    assert f"no trusted TLS connection to {endpoint}" in finished.only_line
    assert "AWS_CA_BUNDLE" in finished.only_line
