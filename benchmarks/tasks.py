"""The kinds of work that are measured, and what must be true after each."""

from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.measure import Usage, run
from benchmarks.serving import ServerProcess
from benchmarks.tools import (
    COPY,
    COPY_ONCE,
    DELETE,
    DRYRUN,
    GROWTH,
    LIST,
    LIST_BOTH,
    SOURCE,
    STORE,
    STREAM,
    STREAM_ONCE,
    SYNC,
    Contender,
    Site,
)

# When the made-up objects were written, seconds since 1970; the store's are copies made an hour later.
_SOURCE_WRITTEN = 1_700_000_000
_STORE_WRITTEN = _SOURCE_WRITTEN + 3600

# What the source keeps when the store has much to delete: no tool is asked to empty a bucket.
_KEPT = 1000


class WorkNotDoneError(Exception):
    """A tool succeeded, but the server did not get all of its work; the message says what is missing."""


@dataclass(frozen=True)
class Task:
    """One kind of work of one size.

    Attributes:
        name: its name on the command line.
        title: its name in the tables, with the size.
        contenders: the tools and how each does it; Hyve's first row is what ratios are taken to.
        objects: how many objects the work is about.
        source: objects in the source when it begins.
        store: objects in the store when it begins.
        copied: objects to copy.
        deleted: objects to delete.
        latencies: seconds by operation.
        size: bytes of each object, where the objects have content.
        is_tls: the tools reach the server by TLS, and trust an authority that was made for it.
    """

    name: str
    title: str
    contenders: tuple[Contender, ...]
    objects: int
    source: int
    store: int
    copied: int = 0
    deleted: int = 0
    latencies: dict[str, float] = field(default_factory=dict)
    size: int | None = None
    is_tls: bool = False

    def run(
        self, contender: Contender, server: ServerProcess, site: Site, most: float | None = None
    ) -> tuple[Usage, float]:
        """Run the task once with a tool.

        Args:
            contender: the tool; Hyve itself is never stopped.
            server: the server.
            site: where the tools work.
            most: seconds after which it is stopped.

        Returns:
            The tool's usage, and the CPU seconds of the server.

        Raises:
            CommandFailedError: the tool failed.
            WorkNotDoneError: it did not do all of the work, or did other work.
        """
        filled = {SOURCE: (self.source, _SOURCE_WRITTEN), STORE: (self.store, _STORE_WRITTEN)}
        contents = {} if self.size is None else {SOURCE: (self.source, self.size, _SOURCE_WRITTEN)}
        server.control(fill=filled, contents=contents, latencies={})
        if self.is_tls:
            authority = site.folder / "authority.pem"
            site = replace(site, endpoint_url=server.tls(authority), authority=authority)
        if contender.prepare is not None:
            contender.prepare(site)
        before = server.control(latencies=self.latencies)
        usage = run(contender.command(site), site.environment, most=None if contender.tool == "hyve" else most)
        after = server.control(compare=(SOURCE, STORE), latencies={})
        if not usage.is_stopped:
            self._check(contender, after)
        return usage, after["cpu"] - before["cpu"]

    def _check(self, contender: Contender, report: dict[str, Any]) -> None:
        counts = report["counts"]
        listed = self.source if self.contenders is LIST else self.source + self.store
        is_planned = contender.prepare is Site.plan_with_hyve
        problems = []
        lists_again = not is_planned or self.contenders in (LIST, DRYRUN)
        if counts.get("keys listed", 0) < listed and lists_again:
            problems.append(f"listed {counts.get('keys listed', 0)} keys instead of {listed}")
        if counts.get("copied", 0) != self.copied:
            problems.append(f"copied {counts.get('copied', 0)} objects instead of {self.copied}")
        if counts.get("deleted", 0) != self.deleted:
            problems.append(f"deleted {counts.get('deleted', 0)} objects instead of {self.deleted}")
        if not report["equal"]:
            problems.append("source and store differ afterwards")
        if contender.tool == "hyve" and not report["same tags"]:
            problems.append("the objects in the store have other tags")
        if counts.get("refused"):
            problems.append("sent requests that the server does not support")
        if problems:
            raise WorkNotDoneError(f"{contender.title}: {'; '.join(problems)}; the server counted {counts}")


@dataclass(frozen=True)
class Sizes:
    """How many objects each kind of work is about."""

    listed: int
    unchanged: int
    copied: int
    deleted: int
    listed_slowly: int
    listed_both: int
    streamed: int


QUICK = Sizes(50_000, 50_000, 2_000, 2_000, listed_slowly=20_000, listed_both=50_000, streamed=1_000)
FULL = Sizes(500_000, 500_000, 20_000, 50_000, listed_slowly=500_000, listed_both=1_000_000, streamed=10_000)

# Streamed objects are many small ones, and a few large ones.
_SMALL, _LARGE = 20_000, 100 * 1024**2
_STREAMED_FOR_A_LARGE_ONE = 500


def tasks(sizes: Sizes) -> list[Task]:
    """All kinds of work, at the given sizes."""
    slow_page, slow_copy = {"ListObjectsV2": 0.060}, {"CopyObject": 0.030}
    slow_stream = dict.fromkeys(("GetObject", "GetObjectTagging", "HeadObject", "PutObject"), 0.030)
    listed, slowly, both, unchanged = sizes.listed, sizes.listed_slowly, sizes.listed_both, sizes.unchanged
    copied, streamed, deleted = sizes.copied, sizes.streamed, sizes.deleted
    large = max(1, streamed // _STREAMED_FOR_A_LARGE_ONE)
    small_title = f"Streaming {streamed:,} objects of 20 kB from one server to another"
    large_title = f"Streaming {large} objects of 100 MiB from one server to another"
    return [
        _equal("list", f"Listing {listed:,} objects", LIST, listed),
        _equal("list-slow", f"Listing {slowly:,} objects, 60 ms a page", LIST, slowly, latencies=slow_page),
        Task("list-both", f"Listing two buckets of {both:,} objects each", LIST_BOTH, 2 * both, both, both),
        _equal("unchanged", f"Sync of {unchanged:,} objects with nothing to do", SYNC, unchanged),
        _copy("copy", f"Copy of {copied:,} small objects", COPY, copied),
        _copy("copy-slow", f"Copy of {copied:,} small objects, 30 ms each", COPY_ONCE, copied, latencies=slow_copy),
        _copy("stream", small_title, STREAM, streamed, size=_SMALL),
        _copy(
            "stream-slow", f"{small_title}, 30 ms a request", STREAM_ONCE, streamed, size=_SMALL, latencies=slow_stream
        ),
        _copy("stream-tls", f"{small_title}, over TLS", STREAM_ONCE, streamed, size=_SMALL, is_tls=True),
        _copy("stream-large", large_title, STREAM, large, size=_LARGE),
        _copy("stream-large-tls", f"{large_title}, over TLS", STREAM_ONCE, large, size=_LARGE, is_tls=True),
        Task("delete", f"Delete of {deleted:,} objects", DELETE, deleted, _KEPT, _KEPT + deleted, deleted=deleted),
        _equal("dryrun", "Dryrun of 1,000 objects, all unchanged", DRYRUN, 1000),
    ]


def _equal(name: str, title: str, contenders: tuple[Contender, ...], objects: int, **more: Any) -> Task:
    """A task on two buckets with the same objects."""
    return Task(name, title, contenders, objects, objects, objects, **more)


def _copy(name: str, title: str, contenders: tuple[Contender, ...], objects: int, **more: Any) -> Task:
    """A copy of all objects to an empty bucket."""
    return Task(name, title, contenders, objects, objects, 0, copied=objects, **more)


def growth_task(objects: int) -> Task:
    """A sync with nothing to do, for the growth of its cost."""
    return _equal("growth", f"Dryrun of {objects:,} objects", GROWTH, objects)
