"""The tools: the configuration of each, and its command line for each kind of work.

Every tool gets the options that its own documentation recommends for many small objects, and the same number of
requests in flight. Their output is as short as possible, and is not read.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import distribution, version
from pathlib import Path

from benchmarks.measure import run

SOURCE = "benchmark-source"
STORE = "benchmark-store"

_KEY = "benchmark"

_HYVE_TOML = """\
[sync.benchmark]
[sync.benchmark.source]
bucket = "{source}"
region = "us-east-1"
endpoint_url = "{endpoint}"
[sync.benchmark.store]
bucket = "{store}"
region = "us-east-1"
endpoint_url = "{endpoint}"
[sync.benchmark.options]
concurrency = {in_flight}
max_deletes = "100%"
"""

_AWS_CONFIG = """\
[default]
region = us-east-1
s3 =
  max_concurrent_requests = {in_flight}
  max_queue_size = 10000
"""


class MissingToolError(Exception):
    """A tool is not installed; the message names it."""


@dataclass(frozen=True)
class Site:
    """Where the tools work.

    Attributes:
        endpoint_url: the server.
        folder: a folder for their configurations and state.
        in_flight: requests that each may have in flight at once.
        authority: the file with the certificate to trust, where the server is reached by TLS.
    """

    endpoint_url: str
    folder: Path
    in_flight: int
    authority: Path | None = None

    @property
    def hyve_home(self) -> Path:
        """Hyve's home."""
        return self.folder / "hyve"

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of the tools, without the user's own settings."""
        config = self.folder / "aws_config"
        config.write_text(_AWS_CONFIG.format(in_flight=self.in_flight))
        remote = {
            "TYPE": "s3",
            "PROVIDER": "AWS",
            "FORCE_PATH_STYLE": "true",
            "ACCESS_KEY_ID": _KEY,
            "SECRET_ACCESS_KEY": _KEY,
            "REGION": "us-east-1",
            "ENDPOINT": self.endpoint_url,
        }
        # The same server under two names: for rclone these are two servers.
        remotes = ("S3", "OTHER")
        trusted = {} if self.authority is None else dict.fromkeys(("AWS_CA_BUNDLE", "RCLONE_CA_CERT"), self.authority)
        return {
            **{name: str(file) for name, file in trusted.items()},
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "HYVE_HOME": str(self.hyve_home),
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _KEY,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(config),
            "AWS_EC2_METADATA_DISABLED": "true",
            "RCLONE_CONFIG": "/dev/null",
            **{f"RCLONE_CONFIG_{name}_{option}": value for name in remotes for option, value in remote.items()},
        }

    def empty_hyve_home(self, *more: str) -> None:
        """Create a home for Hyve that has only a configuration, with more lines of options."""
        shutil.rmtree(self.hyve_home, ignore_errors=True)
        self.hyve_home.mkdir(parents=True)
        text = _HYVE_TOML.format(source=SOURCE, store=STORE, endpoint=self.endpoint_url, in_flight=self.in_flight)
        (self.hyve_home / "hyve.toml").write_text("\n".join((text.rstrip(), *more, "")))

    def plan_with_hyve(self) -> None:
        """Create a home for Hyve that has a plan too."""
        self.empty_hyve_home()
        run([find("hyve"), "dryrun"], self.environment)


def find(name: str) -> str:
    """A tool's executable; s5cmd's own, as the one on the path is Python that starts it.

    Raises:
        MissingToolError: it is not installed.
    """
    if name == "s5cmd":
        try:
            files = distribution("s5cmd").files or []
        except ModuleNotFoundError:
            files = []
        for file in files:
            if str(file) == "s5cmd/bin/s5cmd":
                return str(file.locate())
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise MissingToolError(f"{name} is not installed: pip install -e '.[bench]'")
    return found


@dataclass(frozen=True)
class Contender:
    """One tool with one way to do one kind of work.

    Attributes:
        tool: ``hyve``, ``s5cmd``, ``rclone`` or ``aws``.
        arguments: what its executable gets.
        note: a remark on the command.
        prepare: done before each run, not measured.
    """

    tool: str
    arguments: tuple[str, ...]
    note: str = ""
    prepare: Callable[[Site], None] | None = None

    @property
    def title(self) -> str:
        """The row's name in the tables."""
        words = "python -m benchmarks.inventory" if self._is_module else " ".join((self.tool, *self.arguments))
        for old, new in ((SOURCE, "source"), (STORE, "store"), (" --endpoint-url {endpoint}", ""), ("{n}", "N")):
            words = words.replace(old, new)
        return f"`{words}`{', ' + self.note if self.note else ''}"

    @property
    def _is_module(self) -> bool:
        return self.arguments[:1] == ("-m",)

    def command(self, site: Site) -> list[str]:
        """The whole command."""
        executable = sys.executable if self._is_module else find(self.tool)
        known = {"endpoint": site.endpoint_url, "n": site.in_flight, "home": site.hyve_home}
        return [executable, *(argument.format(**known) for argument in self.arguments)]


def _hyve(*arguments: str, note: str = "", planned: bool = False, options: Sequence[str] = ()) -> Contender:
    """Hyve in a home of its own: with a plan, or with more lines of options."""

    def empty(site: Site) -> None:
        site.empty_hyve_home(*options)

    return Contender("hyve", arguments, note, Site.plan_with_hyve if planned else empty)


# https://github.com/peak/s5cmd#configuring-concurrency
def _s5cmd(*arguments: str) -> Contender:
    return Contender("s5cmd", ("--numworkers", "{n}", "--log", "error", "--endpoint-url", "{endpoint}", *arguments))


# https://rclone.org/s3/#reducing-costs names the flags that spare requests. Without --fast-list it lists
# folder by folder, many at once.
def _rclone(*arguments: str) -> Contender:
    return Contender("rclone", (*arguments, "--checkers", "{n}"))


_RCLONE_SYNC = ("sync", f"s3:{SOURCE}", f"s3:{STORE}", "--update", "--use-server-modtime", "--transfers", "{n}")


# https://docs.aws.amazon.com/cli/latest/topic/s3-config.html; the numbers are in its configuration.
def _aws(*arguments: str) -> Contender:
    return Contender("aws", ("s3", *arguments, "--endpoint-url", "{endpoint}"))


_AWS_SYNC = ("sync", f"s3://{SOURCE}", f"s3://{STORE}", "--only-show-errors")

_SYNC_OF_PEERS = (
    _s5cmd("sync", "--delete", f"s3://{SOURCE}/*", f"s3://{STORE}/"),
    _rclone(*_RCLONE_SYNC),
    _aws(*_AWS_SYNC, "--delete"),
)

_ONE_PROCESS = "processes = 1"
_STREAM = 'transfer = "stream"'

LIST = (
    _hyve("-m", "benchmarks.inventory", "{home}", note="Hyve's listing alone, kept as Parquet"),
    _hyve("verify", note="lists the store and compares it with a plan", planned=True),
    _s5cmd("ls", f"s3://{SOURCE}/*"),
    _rclone("lsf", f"s3:{SOURCE}", "--recursive", "--files-only"),
    _aws("ls", f"s3://{SOURCE}", "--recursive"),
)

LIST_BOTH = (
    _hyve("-m", "benchmarks.inventory", "{home}", "both", note="`processes = 1`", options=[_ONE_PROCESS]),
    _hyve("-m", "benchmarks.inventory", "{home}", "both", note="`processes = 2`", options=["processes = 2"]),
)

SYNC = (
    _hyve("sync", note="verifies too, by the plan's own listing"),
    _hyve("dryrun"),
    *_SYNC_OF_PEERS,
    _rclone(*_RCLONE_SYNC, "--fast-list"),
)

COPY = (
    _hyve("copy", note="takes the plan too"),
    _hyve("copy", note="of a plan that was there", planned=True),
    _hyve("copy", note="takes the plan too, `processes = 1`", options=[_ONE_PROCESS]),
    _s5cmd("sync", f"s3://{SOURCE}/*", f"s3://{STORE}/"),
    _rclone(*_RCLONE_SYNC),
    _aws(*_AWS_SYNC),
)

# s5cmd and the AWS CLI have one endpoint and one set of credentials.
STREAM = (
    _hyve("copy", note='takes the plan too; `transfer = "stream"`', options=[_STREAM]),
    _hyve("copy", note="the same, `processes = 1`", options=[_STREAM, _ONE_PROCESS]),
    _rclone(
        *("sync", f"s3:{SOURCE}", f"other:{STORE}", *_RCLONE_SYNC[3:]),
        *("--s3-no-check-bucket", "--s3-use-unsigned-payload=true"),
    ),
)

# Where the network is what differs, one row a tool.
STREAM_ONCE = (STREAM[0], STREAM[-1])
COPY_ONCE = (COPY[0], *COPY[3:])

DELETE = (
    _hyve("sync", note="verifies too, by a third listing"),
    _hyve("delete", note="of a plan that was there", planned=True),
    *_SYNC_OF_PEERS,
)

DRYRUN = (
    _hyve("dryrun", note="in a home that has one plan", planned=True),
    _hyve("dryrun", note="the first one of a home"),
    _s5cmd("--dry-run", "sync", "--delete", f"s3://{SOURCE}/*", f"s3://{STORE}/"),
    _rclone(*_RCLONE_SYNC, "--dry-run"),
    _aws(*_AWS_SYNC, "--delete", "--dryrun"),
)

GROWTH = (_hyve("dryrun"), *_SYNC_OF_PEERS)


def versions(tools: list[str]) -> dict[str, str]:
    """Which version of each tool was measured."""
    found = {}
    for tool in tools:
        arguments = {"s5cmd": ["version"], "rclone": ["version"]}.get(tool, ["--version"])
        said = subprocess.run([find(tool), *arguments], check=True, capture_output=True, text=True).stdout
        words = said.split("\n", 1)[0].replace("/", " ").split()
        found[tool] = next(word for word in words if word.lstrip("v")[:1].isdigit()).removeprefix("v")
    found["awscrt"] = version("awscrt")
    return found
