"""What is said of an interrupt, by how far the command came."""

import pytest

from hyve_pipeline.cli.interrupted import LastWords, adopting
from hyve_pipeline.cli.plans import plans
from hyve_pipeline.core.base.errors import InterruptedRunError


def test_before_the_first_step_nothing_was_begun_and_after_it_the_journal_has_what_was_done() -> None:
    words = LastWords()
    assert words() == "interrupted: nothing was begun"
    with words.step(lambda _: "interrupted: no plan was made"):
        pass
    assert words() == "interrupted; what was done is in the journal"


def test_the_command_that_goes_on_is_for_the_same_home_and_sync() -> None:
    given = plans.make_context("plans", ["--home", "/my home", "--sync", "films"])
    with given, pytest.raises(InterruptedRunError) as caught, adopting():
        raise KeyboardInterrupt
    assert str(caught.value).endswith("run 'hyve adopt --home '/my home' --sync films' again")
