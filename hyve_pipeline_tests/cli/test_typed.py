"""Commands in messages are for the home and the sync of the command that prints them."""

from pathlib import Path

import pytest

from hyve_pipeline.cli.plans import plans
from hyve_pipeline.cli.typed import retyped
from hyve_pipeline_tests.syncs import Hyve, Pair


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("run 'hyve dryrun' first", "run 'hyve dryrun --home h' first"),
        ("`hyve configure` or 'hyve show --failed'", "`hyve configure --home h` or 'hyve show --failed --home h'"),
        ("run 'hyve copy --home '/a b'' again", "run 'hyve copy --home '/a b'' again"),
        ("'hyve.toml' isn't hyve's", "'hyve.toml' isn't hyve's"),
    ],
)
def test_commands_of_messages_get_the_options_that_were_given(message: str, shown: str) -> None:
    with plans.make_context("plans", ["--home", "h"]):
        assert retyped(message) == shown
    with plans.make_context("plans", []):
        assert retyped(message) == message


def test_failures_and_refusals_name_commands_for_the_same_home(
    pair: Pair, hyve: Hyve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYVE_HOME")
    here = ("--home", str(pair.home))
    assert f"run 'hyve dryrun --home {pair.home}' first" in hyve("show", *here).only_line
    nowhere = tmp_path / "nowhere"
    for command in ("plans", "metrics", "iam-policy"):
        assert f"`hyve configure --home {nowhere}`" in hyve(command, "--home", str(nowhere)).only_line
    pair.source.put({"a": b"1"})
    assert hyve("dryrun", *here).code == 0
    assert hyve("undo", "latest", *here).code == 0
    refused = hyve("copy", *here)
    assert refused.code == 3
    assert f"run 'hyve dryrun --home {pair.home}' for a new one" in refused.err
