"""Before objects are deleted, the user at a terminal is asked; nobody else is."""

import re
from collections.abc import Callable, Iterator

import pytest

from hyve_pipeline_tests.syncs import Hyve, Pair
from hyve_pipeline_tests.terminals import Terminal, open_terminal

At = Callable[..., Terminal]


@pytest.fixture
def at_terminal() -> Iterator[At]:
    """Starts commands, each at a terminal of its own."""
    terminals: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        terminals.append(open_terminal(*arguments))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def filled(pair: Pair) -> Pair:
    pair.source.put({"new": b"1"})
    pair.store.put({"gone/1": b"1", "gone/2": b"1"})
    return pair


def test_a_sync_shows_its_plan_copies_and_asks_before_it_deletes(filled: Pair, at_terminal: At) -> None:
    terminal = at_terminal("sync", "--max-deletes", "2")
    terminal.wait_for("Plan: ")
    terminal.wait_for(f"Delete 2 objects of s3://{filled.store.name}/? [y/N]: ")
    assert "gone/2" in terminal.shown
    assert filled.store.keys() == ["gone/1", "gone/2", "new"]
    terminal.type("n\n")
    assert terminal.end() == 1
    assert "hyve: cancelled; nothing was deleted\r\n" in terminal.shown
    assert "next: hyve delete\r\n" in terminal.shown
    assert filled.store.keys() == ["gone/1", "gone/2", "new"]

    terminal = at_terminal("delete")
    terminal.wait_for("[y/N]: ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert filled.store.keys() == ["new"]


def test_an_answer_that_is_neither_yes_nor_no_is_asked_again(filled: Pair, hyve: Hyve, at_terminal: At) -> None:
    assert hyve("dryrun").code == hyve("copy").code == 0
    terminal = at_terminal("delete")
    terminal.wait_for("[y/N]: ")
    terminal.type("perhaps\n")
    terminal.wait_for("answer y or n\r\nDelete 2 objects")
    terminal.type("YES\n")
    assert terminal.end() == 0
    assert filled.store.keys() == ["new"]


@pytest.mark.parametrize("answer", ["--yes", "-y", "--no-input", "--json", "HYVE_NO_INPUT"])
def test_what_is_answered_before_is_not_asked(
    answer: str, filled: Pair, hyve: Hyve, at_terminal: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hyve("dryrun").code == hyve("copy").code == 0
    if answer == "HYVE_NO_INPUT":
        monkeypatch.setenv(answer, "1")
    terminal = at_terminal("delete", *([answer] if answer.startswith("-") else []))
    assert terminal.end() == 0
    assert "[y/N]" not in terminal.shown
    assert filled.store.keys() == ["new"]


def test_ctrl_c_at_the_question_says_what_goes_on(filled: Pair, hyve: Hyve, at_terminal: At) -> None:
    plan = hyve("dryrun", "--json").document["plan"]
    assert hyve("copy").code == 0
    terminal = at_terminal("delete")
    terminal.wait_for("[y/N]: ")
    terminal.insist("\x03")
    assert terminal.end() == 130
    # The line has its own, below the question.
    assert f"\nhyve: interrupted: plan {plan}: 2 objects left to delete; 'hyve delete' continues" in terminal.shown
    assert filled.store.keys() == ["gone/1", "gone/2", "new"]


def test_without_a_terminal_nothing_is_asked(filled: Pair, hyve: Hyve) -> None:
    assert hyve("sync").code == 0
    assert filled.store.keys() == ["new"]


def test_nothing_is_asked_of_what_a_rule_refuses(filled: Pair, hyve: Hyve, at_terminal: At) -> None:
    assert hyve("dryrun").code == 0
    terminal = at_terminal("delete")
    assert terminal.end() == 3
    assert "[y/N]" not in terminal.shown
    assert "! refused by copies_first (copies are missing)" in terminal.shown
    assert "gone/1" not in terminal.shown  # the keys are for the question


def test_colours_are_for_terminals_that_want_them(
    filled: Pair, hyve: Hyve, at_terminal: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in hyve("dryrun").out
    terminal = at_terminal("show")
    assert terminal.end() == 0
    assert "\x1b[32m  + new " in terminal.shown
    assert "\x1b[31m  - duplicate " in terminal.shown
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = at_terminal("show")
    assert terminal.end() == 0
    assert re.search(r"\x1b\[\d", terminal.shown) is None
