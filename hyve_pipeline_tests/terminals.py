"""A person at a terminal, for tests."""

import fcntl
import os
import pty
import select
import subprocess
import termios
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from hyve_pipeline_tests.forks import fork_hyve


@dataclass
class Terminal:
    """A process at the other side of a pseudo-terminal."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = ""
    waited: int = 0

    def wait_for(self, text: str) -> None:
        """Read until the text has been shown after what was waited for before."""
        while text not in self.shown[self.waited :]:
            assert select.select([self.descriptor], [], [], 60)[0], f"{text!r} was not shown: {self.shown!r}"
            self.shown += os.read(self.descriptor, 1024).decode()
        self.waited = self.shown.index(text, self.waited) + len(text)

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def insist(self, key: str) -> None:
        """Press a key until the process ends: Python misses one between showing a prompt and reading."""
        while self.process.poll() is None:
            self.type(key)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)

    def end(self) -> int:
        try:
            while chunk := os.read(self.descriptor, 1024):
                self.shown += chunk.decode()
        except OSError:  # how Linux tells that nobody has the other side open any more
            pass
        return self.process.wait(30)

    def close(self) -> None:
        """End the process if it has not ended, and give the terminal back."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.descriptor)


def take_terminal(descriptor: int) -> None:
    """Make a terminal the controlling one, so that Ctrl-C is a signal and secrets are asked for there."""
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def open_terminal(*arguments: str) -> Terminal:
    """Start `hyve` with these arguments at a terminal of its own."""
    ours, theirs = pty.openpty()
    process = fork_hyve(
        arguments,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=partial(take_terminal, 0),
    )
    os.close(theirs)
    return Terminal(process, ours)
