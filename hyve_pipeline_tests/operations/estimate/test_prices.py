"""Prices come from a file that the user replaces, and limits on cost and time refuse like the others."""

import json
import re
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hyve_pipeline.operations.estimate.prices import EXAMPLE_PRICES, read_prices
from hyve_pipeline_tests.docs.markdown import ROOT, blocks
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair

_TABLE = """
date = 2026-11-29
source = "a contract"
servers = ["localhost:{port}"]
list = 0.005
[classes.STANDARD]
write = 5
read = 0.4
[classes.STANDARD_IA]
write = 10
storage = 30
minimum_days = 30
minimum_bytes = 1_073_741_824
"""


def _prices(pair: Pair, folder: Path) -> str:
    file = folder / "prices.toml"
    file.write_text(_TABLE.format(port=urlsplit(str(pair.store.place.endpoint_url)).port))
    return str(file)


def test_the_example_and_that_of_the_page_are_tables_of_prices(tmp_path: Path) -> None:
    example = read_prices(None)
    assert example.of_class("STANDARD").write == Decimal("0.005")
    assert example.of_class("ANOTHER") == example.of_class("STANDARD")
    assert example.servers == ("aws",)
    (shown,) = [block.text for block in blocks(ROOT / "docs" / "costs.md") if block.text.startswith("# /etc/hyve")]
    file = tmp_path / "prices.toml"
    file.write_text(shown)
    assert read_prices(str(file)).bytes["through_this_machine"] == Decimal("0.05")
    assert EXAMPLE_PRICES.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date = 2026-11-29\n", "source: Field required"),
        ("date = 2026-11-29\nsource = 'x'\n[classes.STANDARD]\nwrite = -1\n", "classes.STANDARD.write"),
        ("date = 2026-11-29\nsource = 'x'\nlist = nan\n[classes]\n", "list:"),
        ("date =", "is not valid TOML"),
        (None, "the prices can't be read"),
    ],
)
def test_prices_that_are_none_are_refused_before_anything_is_listed(
    text: str | None, said: str, make_pair: MakePair, hyve: Hyve, tmp_path: Path
) -> None:
    file = tmp_path / "prices.toml"
    if text is not None:
        file.write_text(text)
    pair = make_pair(prices=str(file))
    refused = hyve("dryrun")
    assert refused.code == 2
    assert str(file) in refused.only_line
    assert said in refused.only_line
    assert pair.events() == []


def test_too_expensive_a_plan_is_refused_and_accepted(make_pair: MakePair, hyve: Hyve, tmp_path: Path) -> None:
    pair = make_pair()
    pair.source.put({"new": b"1", "old": b"1234"})
    pair.store.put({"old": b"1"}, StorageClass="STANDARD_IA")
    pair.configure(prices=_prices(pair, tmp_path), max_cost=29)
    dryrun = hyve("dryrun", "--json")
    assert (dryrun.code, dryrun.document["refused"]["rule"]) == (3, "max_cost")
    estimate = dryrun.document["estimate"]
    # A gigabyte of this class for 30 days less than a second or so, and a handful of requests.
    assert estimate["steps"]["copy"]["early_deletion_byte_days"] == {"STANDARD_IA": 30 * 1024**3}
    assert Decimal("30") < Decimal(estimate["cost"]) < Decimal("30.1")
    assert Decimal(estimate["cost"]) == sum(Decimal(estimate["steps"][step]["cost"]) for step in ("copy", "verify"))
    before = pair.store.listing()
    for command in ("copy", "delete", "sync"):
        assert hyve(command, "--json").code == (0 if command == "delete" else 3), command
    assert pair.store.listing() == before
    said = hyve("dryrun")
    assert said.err.count("refused by max_cost (too expensive)") == 1
    assert said.out.splitlines()[-1] == "next: hyve copy --max-cost 30.02"
    assert hyve("copy", "--max-cost", "30").code == 3
    accepted = hyve("copy", "--max-cost", "30.02", "--json")
    assert (accepted.code, accepted.document["copied"]) == (0, 2)
    assert hyve("copy", "--max-cost", "cheap").code == 2


@pytest.mark.local_state
def test_too_long_a_plan_is_refused_once_a_rate_is_known(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    pair.source.put({f"a{number}": b"1" for number in range(20)})
    pair.configure(max_duration=1)
    # Nothing shows how long it takes.
    first = hyve("sync", "--json")
    assert first.code == 0
    # As if it had taken an hour.
    (marker,) = pair.home.glob("**/journals/*/ended/*")
    marker.rename(marker.with_name(re.sub("-t[0-9]+", "-t3600000", marker.name)))
    pair.source.put({f"b{number}": b"1" for number in range(20)})
    dryrun = hyve("dryrun", "--json")
    assert (dryrun.code, dryrun.document["refused"]["rule"]) == (3, "max_duration")
    assert dryrun.document["estimate"]["steps"]["copy"]["seconds"] == pytest.approx(3600, rel=0.05)
    assert hyve("copy").code == 3
    assert hyve("copy", "--max-duration", "2h").code == 0
    assert json.loads(hyve("show", "--json").out)["estimate"]["seconds"] is not None
