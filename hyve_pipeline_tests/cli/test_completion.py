"""What the shell completes after Tab: commands, options, syncs and plans, asked by the shell itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan
from hyve_pipeline_tests.children import cpu_seconds
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.syncs import Hyve, sync_table

_BIN = Path(sys.executable).parent

# Reading a completion must not be felt.
_SECONDS = 0.4


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A home of two syncs, the first of which has two plans, oldest first."""
    context = context_at(tmp_path)
    made = []
    for key in ("a", "b"):
        inventories = [written_inventory(context, side, {key: Entry()}) for side in ("source", "store")]
        made.append(freeze_plan(context, diff_inventories(context, *inventories)).id)
    sides = context.settings.source, context.settings.store
    other = [side.model_copy(update={"prefix": "other/"}) for side in sides]
    (tmp_path / "hyve.toml").write_text(sync_table(context.name, *sides) + sync_table("backup", *other))
    monkeypatch.setenv("HYVE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{_BIN}{os.pathsep}{os.environ['PATH']}")
    return made


def _bash(line: str) -> list[str]:
    """What bash offers after a line, when Tab is pressed at its end."""
    words = line.split(" ")
    script = """
        eval "$(hyve completion bash)"
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _hyve_completion hyve "${COMP_WORDS[COMP_CWORD]}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    finished = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60, check=True
    )
    # `complete -o nosort` is refused outside an interactive shell by some builds; that is not ours.
    assert "Traceback" not in finished.stderr
    return finished.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_syncs_and_plans(plans: list[str]) -> None:
    assert _bash("hyve do") == ["doctor"]
    assert _bash("hyve help do") == ["doctor"]
    assert _bash("hyve help config do") == []
    assert _bash("hyve --sync ") == ["images", "backup"]
    assert _bash("hyve copy --sync b") == ["backup"]
    assert _bash("hyve show ") == ["latest", *reversed(plans)]
    assert _bash("hyve --sync images copy --plan 0") == [*reversed(plans)]
    assert _bash("hyve undo --sync backup ") == ["latest"]
    assert _bash("hyve iam-policy --side so") == ["source"]
    assert _bash("hyve copy --max") == ["--max-overwrites", "--max-deletes", "--max-cost", "--max-duration"]
    assert {"--sync", "--json", "--verbose"} <= set(_bash("hyve copy --"))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells(shell: str, hyve: Hyve) -> None:
    script = hyve("completion", shell)
    assert script.code == 0
    assert f"_HYVE_COMPLETE={shell}_complete" in script.out
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n"], input=script.out, text=True, timeout=60, check=True)


@pytest.mark.parametrize("broken", ["", "[sync.images\n", "sync = 5\nhome = 7\n", "\x00"])
def test_a_broken_configuration_completes_nothing_and_says_nothing(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hyve.toml").write_text(broken)
    monkeypatch.setenv("HYVE_HOME", str(tmp_path))
    monkeypatch.setenv("COMP_WORDS", "hyve copy --sync ")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("_HYVE_COMPLETE", "bash_complete")
    asked = subprocess.run([_BIN / "hyve"], capture_output=True, text=True, timeout=60, check=True)
    assert (asked.stdout.strip(), asked.stderr) == ("", "")


def test_plans_in_a_bucket_are_not_asked_for(plans: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYVE_STATE", "s3://no-such-bucket/home/")
    assert _bash("hyve show ") == ["latest"]
    assert plans


def test_a_completion_takes_no_time(plans: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "hyve show 0")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_HYVE_COMPLETE", "bash_complete")
    assert min(cpu_seconds([str(_BIN / "hyve")]) for _ in range(3)) < _SECONDS
    assert plans
