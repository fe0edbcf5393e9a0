"""What is said of an interrupt, by how far the command came."""

from hyve_pipeline.cli.interrupted import LastWords


def test_before_the_first_step_nothing_was_begun_and_after_it_the_journal_has_what_was_done() -> None:
    words = LastWords()
    assert words() == "interrupted: nothing was begun"
    with words.step(lambda _: "interrupted: no plan was made"):
        pass
    assert words() == "interrupted; what was done is in the journal"
