"""Commands, and code of tests, as processes of their own: forked from a server that has already loaded what they need.

To load it takes most of a second of a core, which is more than what a test has a command do. Tests of how a command
loads start an interpreter instead.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import inspect
import io
import os
import pickle
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

from hyve_pipeline_tests.heeding import heed_signals

# From Linux's headers: an option of prctl.
_PR_SET_CHILD_SUBREAPER = 36

# More than any environment.
_MOST_BYTES = 1 << 17

# The three streams, and some.
_MOST_DESCRIPTORS = 16

# What commands load besides, when they need it. Dagster and the demo's server are nobody's here.
_NOT_LOADED = ("__main__", "definitions", "demo", "orchestration")
_LIBRARIES = ("awscrt.auth", "awscrt.s3", "botocore.httpsession", "botocore.session", "duckdb", "rich.progress")


def fork_hyve(arguments: Sequence[str], **settings: Any) -> "subprocess.Popen[Any]":
    """Start `python -m hyve_pipeline`, as `subprocess.Popen` would, but sooner.

    Args:
        arguments: what follows.
        settings: of `subprocess.Popen`: streams, `env`, `cwd`, `start_new_session`, and `preexec_fn`, which must be a
            function that can be pickled.
    """
    if not sys.platform.startswith("linux"):
        return subprocess.Popen([sys.executable, "-m", "hyve_pipeline", *arguments], **settings)
    return _Forked(["", *arguments], **settings)


def fork_code(code: str, *arguments: str, **settings: Any) -> "subprocess.Popen[Any]":
    """Start `python -c`, likewise. Modules that the code imports may have been imported before it begins.

    Args:
        code: what it runs.
        arguments: what follows.
        settings: as of `fork_hyve`.
    """
    if not sys.platform.startswith("linux"):
        return subprocess.Popen([sys.executable, "-c", code, *arguments], **settings)
    return _Forked([code, *arguments], **settings)


def fork_python(command: Sequence[str], **settings: Any) -> "subprocess.Popen[Any]":
    """Start a command that begins with this interpreter and has the option `-c`, likewise.

    Args:
        command: the interpreter, its options, the code and what follows.
        settings: as of `fork_hyve`, and `pass_fds` and `process_group`.
    """
    if not sys.platform.startswith("linux"):
        return subprocess.Popen(command, **settings)
    return _Forked(command[command.index("-c") + 1 :], **settings)


def begin_forks() -> None:
    """Start the process that others are forked from, which is a child of this one, too; later, nothing starts it."""
    _server()


class _Forked(subprocess.Popen[Any]):
    """A process that is a child of this one, although another one has started it."""

    def _execute_child(self, *given: Any) -> None:
        wanted = inspect.signature(subprocess.Popen._execute_child).bind(self, *given).arguments  # pyright: ignore
        streams = [wanted[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        request = {
            # The code to run, empty for a command, and what follows.
            "arguments": wanted["args"],
            "environment": dict(os.environ if wanted["env"] is None else wanted["env"]),
            "folder": os.path.abspath(wanted["cwd"] or "."),  # noqa: PTH100 - Path would resolve the links
            "prepare": wanted["preexec_fn"],
            "is_session": wanted["start_new_session"],
            "group": wanted["process_group"],
            "descriptors": [0, 1, 2, *wanted["pass_fds"]],
        }
        inherited = [stream if stream >= 0 else number for number, stream in enumerate(streams)]
        inherited += wanted["pass_fds"]
        self.pid = _server().fork(pickle.dumps(request), inherited)
        self._child_created = True
        self._close_pipe_fds(*(wanted[name] for name in _PIPES))  # pyright: ignore[reportAttributeAccessIssue]


_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


class _Server:
    """The process that has loaded what commands need; it ends with this one."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=heed_signals,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        atexit.register(self._end)

    def fork(self, request: bytes, descriptors: list[int]) -> int:
        """Have a command started, as a child of this process; its process id."""
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            socket.send_fds(self._control, [request], descriptors)
            return int(self._control.recv(_MOST_BYTES))
        finally:
            prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def _end(self) -> None:
        self._control.close()
        self._process.wait()


_server = cache(_Server)


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork a command at each request. Returns in each of them what it is to do, and None when no more are wanted."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _MOST_BYTES, _MOST_DESCRIPTORS)
        if not message:
            return None
        reader, writer = os.pipe()
        between = _fork()
        if between == 0:
            child = _fork()
            if child:
                # When this process has ended, the child is that of the process which has asked for it.
                os.write(writer, str(child).encode())
                os._exit(0)
            control.close()
            request = pickle.loads(message)
            _place(descriptors, request["descriptors"])
            os.close(reader)
            os.close(writer)
            return request
        os.waitpid(between, 0)
        control.send(os.read(reader, _MOST_BYTES))
        for descriptor in (reader, writer, *descriptors):
            os.close(descriptor)


def _place(descriptors: list[int], numbers: list[int]) -> None:
    """Give descriptors their numbers, which others of them may have now."""
    above = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, max(numbers) + 1) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(above, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _fork() -> int:
    with warnings.catch_warnings():
        # Arrow has a thread for the memory that it has freed, which sees to forks itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _load() -> None:
    """Load what commands load, in the way in which they do."""
    import hyve_pipeline
    from hyve_pipeline.core.runtime import startup

    startup.begin()
    for package in pkgutil.iter_modules(hyve_pipeline.__path__, "hyve_pipeline."):
        if package.name.rpartition(".")[2] not in _NOT_LOADED:
            _load_all(package.name)
    for library in _LIBRARIES:
        importlib.import_module(library)
    startup.finish()
    gc.freeze()


def _load_all(name: str) -> None:
    module = importlib.import_module(name)
    for inner in pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}."):
        _load_all(inner.name)


def _become(request: dict[str, Any]) -> None:
    """Be a process that has just begun."""
    if request["is_session"]:
        os.setsid()
    if request["group"] >= 0:
        os.setpgid(0, request["group"])
    if request["prepare"] is not None:
        request["prepare"]()
    # As Python does when it begins.
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.path[0] = request["folder"]
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, errors="strict")
    sys.stderr = sys.__stderr__ = _writer(2, errors="backslashreplace")
    sys.argv[:] = ["-c", *request["arguments"][1:]]


def _writer(descriptor: int, *, errors: str) -> io.TextIOWrapper:
    raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115
    return io.TextIOWrapper(raw, errors=errors, line_buffering=descriptor == 2 or raw.isatty())


if __name__ == "__main__":
    _load()
    found = _serve(socket.socket(fileno=int(sys.argv[1])))
    if found is not None:
        _become(found)
        if code := found["arguments"][0]:
            exec(code, {"__name__": "__main__"})
        else:
            runpy.run_module("hyve_pipeline", run_name="__main__", alter_sys=True)
