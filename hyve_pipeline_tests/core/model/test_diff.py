"""The sets of a comparison, in words."""

from hyve_pipeline.core.model.diff import PLANNED_SETS, ChangeSet


def test_sets_say_what_becomes_of_their_objects() -> None:
    assert [name.described() for name in PLANNED_SETS] == [
        *("new (to copy)", "modified (to overwrite)", "drifted (to repair)", "duplicate (to delete)")
    ]
    assert ChangeSet.ALTERED.described() == "altered (kept as it is)"
    assert ChangeSet.MODIFIED.described(has_histories=True) == "modified (to continue)"
    assert ChangeSet.NEW.described(has_histories=True) == "new (to copy)"
    untouched = set(ChangeSet) - {*PLANNED_SETS, ChangeSet.ALTERED}
    assert {name.described() for name in untouched} == {name.value for name in untouched}
