"""Questions to the user at a terminal, or to a script that pipes the answers in, one on each line."""

import sys
from collections.abc import Callable

import click

from hyve_pipeline.cli.first_sign import hide_sign
from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed, printable

# Raises `ConfigurationError` for an answer that can't be used.
Check = Callable[[str], object]


def _anything(_answer: str) -> None:
    """The check of an answer that needs none."""


class Questions:
    """Asks on standard error and reads answers from standard input, so that standard output holds only the document.

    At a terminal an unusable answer is asked for again, and Ctrl-C or Ctrl-D raises `click.Abort`. From a
    pipe every question takes one line, and nothing is shown.
    """

    def __init__(self) -> None:
        # Standard input is None when the process was started with it closed.
        self.is_terminal = sys.stdin is not None and sys.stdin.isatty()

    def note(self, text: str) -> None:
        """Show a message to the user at the terminal."""
        if self.is_terminal:
            hide_sign()
            click.echo(displayed(text), err=True)

    def ask(self, question: str, *, option: str, default: str | None = None, check: Check = _anything) -> str:
        """Ask for one line of text; white space around it does not count.

        Args:
            question: what is asked for.
            option: the option with the same effect, for the message when there is no answer.
            default: the answer if the user's is empty; without one, an answer is required.
            check: raises `ConfigurationError` for an answer that can't be used.

        Raises:
            ConfigurationError: the pipe had no answer, or one that can't be used.
        """
        while True:
            answer = self._line(question, hint=default, option=option).strip() or default
            if not answer:
                self._need_answer(question, option)
            elif self._is_right(check, answer):
                return answer

    def ask_or_keep(self, question: str, *, option: str, keep: str, check: Check = _anything) -> str | None:
        """Ask for one line of text that may be empty.

        Args:
            question: what is asked for.
            option: the option with the same effect, for the message when there is no answer.
            keep: describes what an empty answer leaves as it is.
            check: raises `ConfigurationError` for an answer that can't be used, an empty one too.

        Returns:
            The answer, or None for an empty one.

        Raises:
            ConfigurationError: the pipe ended, or its answer can't be used.
        """
        while True:
            answer = self._line(question, hint=keep, option=option).strip()
            if self._is_right(check, answer):
                return answer or None

    def ask_hidden(self, question: str, check: Check = _anything) -> str:
        """Ask for a secret, which is not shown while it is typed.

        Raises:
            ConfigurationError: the pipe had no answer, or one that can't be used.
        """
        while True:
            answer = self._line(question, hint="not shown", is_hidden=True).strip()
            if not answer:
                self._need_answer(question)
            elif self._is_right(check, answer):
                return answer

    def ask_whether(self, question: str, *, default: bool) -> bool:
        """Ask a question at the terminal that is answered by yes or no."""
        return _is_yes(question, default=default)

    def _is_right(self, check: Check, answer: str) -> bool:
        """Whether an answer can be used; at a terminal it is said why not, and the question is asked again."""
        try:
            check(answer)
        except ConfigurationError as error:
            if not self.is_terminal:
                raise
            click.echo(f"  {printable(str(error))}", err=True)
            return False
        return True

    def confirm(self, question: str, *, otherwise: str) -> None:
        """Continue only if the user at the terminal answers yes.

        Raises:
            ConfigurationError: the answer was no, or there is no terminal to ask at; its message is `otherwise`.
        """
        if not self.is_terminal or not _is_yes(question, default=False):
            raise ConfigurationError(otherwise)

    def _line(
        self, question: str, *, hint: str | None = None, option: str | None = None, is_hidden: bool = False
    ) -> str:
        if self.is_terminal:
            shown = f"{question} [{hint}]" if hint else question
            return _typed(shown, is_hidden=is_hidden)
        line = sys.stdin.readline() if sys.stdin is not None else ""
        if not line:
            raise ConfigurationError(f"standard input ended where {question!r} was asked{_instead(option)}")
        return line

    def _need_answer(self, question: str, option: str | None = None) -> None:
        if not self.is_terminal:
            raise ConfigurationError(f"standard input has an empty line for {question!r}{_instead(option)}")
        click.echo("  an answer is needed", err=True)


def is_agreed(question: str) -> bool:
    """Ask a question on standard error whose answer is no, unless it is yes."""
    return _is_yes(question, default=False)


def _is_yes(question: str, *, default: bool) -> bool:
    while True:
        answer = _typed(f"{question} [{'Y/n' if default else 'y/N'}]").strip().lower()
        if answer in ("", "y", "yes", "n", "no"):
            return answer.startswith("y") if answer else default
        click.echo("  answer y or n", err=True)


def _typed(question: str, *, is_hidden: bool = False) -> str:
    """What the user types at the terminal; what follows a Ctrl-C begins on a line of its own."""
    hide_sign()
    try:
        return click.prompt(displayed(question), default="", show_default=False, hide_input=is_hidden, err=True)
    except click.Abort:
        if not is_hidden:
            click.echo(err=True)
        raise


def _instead(option: str | None) -> str:
    return f"; {option} answers it too" if option else ""
