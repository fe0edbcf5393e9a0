"""Only a plan that is verified, and was not touched since, is proved."""

from pathlib import Path

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError, RefusedError
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.prove.evidence import choose_verified, find_evidence, used_files
from hyve_pipeline_tests.operations.listings import Entry, context_at, written_inventory
from hyve_pipeline_tests.operations.prove.proved import journal, plan_of, verify


def test_without_a_plan(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no plan yet"):
        choose_verified(context_at(tmp_path / "home"), None)


def test_the_newest_verified_plan_unless_one_is_named(tmp_path: Path) -> None:
    context = context_at(tmp_path / "home")
    objects = {"a": Entry()}
    first = plan_of(context, objects, {})
    with pytest.raises(RefusedError, match=f"{first.id}, was not verified"):
        choose_verified(context, None)
    journal(context, first, {"a": Entry().row("a")["etag"]})  # pyright: ignore[reportArgumentType]
    verify(context, first, written_inventory(context, "store", objects))
    newer = plan_of(context, objects, objects)
    assert choose_verified(context, None).id == first.id
    assert choose_verified(context, first.id[:6]).id == first.id
    for name in (newer.id, "latest"):
        with pytest.raises(RefusedError, match=f"plan {newer.id} was not verified"):
            choose_verified(context, name)
    # Something was done after the verification.
    journal(context, first, {"a": None})
    with pytest.raises(RefusedError, match="was applied after it was verified"):
        choose_verified(context, first.id)


def test_a_plan_that_was_undone_is_refused(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    context.state.write_text(f"undone/{plan.id}/1/begun.json", "{}")
    with pytest.raises(RefusedError, match="was undone"):
        choose_verified(context, plan.id)


def test_every_file_that_is_read_is_named(proved: tuple[SyncContext, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    context, plan = proved
    files = used_files(context, find_evidence(context, plan))
    assert [file.name for file in files] == sorted({file.name for file in files})
    kinds = {file.name.split("/")[0] for file in files}
    assert kinds == {"diffs", "inventories", "journals", "memory", "plans", "verifications"}
    assert all(context.state.exists(file.name) and file.bytes for file in files)
