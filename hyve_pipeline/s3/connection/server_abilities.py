"""What a server turned out to lack, remembered for all connections of this process to the same bucket.

S3-compatible servers differ in what is optional. Nothing is asked beforehand: a request that is refused is sent again
without what may have been refused, and what then proves to be missing is left out from the beginning from then on.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, lru_cache
from threading import Lock
from typing import NamedTuple, TypeVar

from hyve_pipeline.core.model.server_lack import ServerLack
from hyve_pipeline.s3.connection.transport import Endpoint
from hyve_pipeline.s3.wire.futures import LightFuture, deliver, follow

T = TypeVar("T")

_logger = logging.getLogger(__name__)


class Ability(NamedTuple):
    """Something that a server may lack. A tuple, as several are looked up in sets for each object.

    Attributes:
        lack: what it lacks then, as the predicate of a sentence about the server.
        consequence: what is done instead, or lost.
        loses: what objects have to do without, in a word or two; None where nothing is lost.
        is_minor: it is no warning.
    """

    lack: str
    consequence: str
    loses: str | None = None
    is_minor: bool = False


# Only ever proved: its answers, such as those with bare line feeds in their heads, are read by the other transport.
PATIENT_ALONE = Ability("is read by the fast transport", "")
CHECKSUM_MODE = Ability("refuses x-amz-checksum-mode", "the checksums that it keeps are not compared")
CHECKSUMS = Ability("refuses checksums other than Content-MD5", "what is written is proved by MD5 and ETag")
CONTENT_MD5 = Ability("refuses Content-MD5", "what is written is proved by ETag")
# Only ever proved: a server that ignores it costs an MD5 of each object here, and nothing is lost.
CHECKED_MD5 = Ability("ignores Content-MD5", "")
READ_CONDITIONS = Ability(
    "refuses a matching If-Match when an object is read", "the ETag of each answer is compared with the planned one"
)
ORIGINAL_CODING = Ability("packs objects with gzip on the way", "they are asked for with Accept-Encoding: identity")
_MEND_LISTING = (
    "by every plan anew, until its listing is mended, or endpoint_url names the server itself where a proxy is between"
)
LISTED_KEYS = Ability("has no object for keys that it lists", f"they are skipped, {_MEND_LISTING}")
LISTED_ETAGS = Ability("lists other ETags than its objects have", f"they are skipped as changed, {_MEND_LISTING}")
HEAD = Ability("does not answer HEAD requests for objects", "a byte of each is read instead")
TAGS = Ability(
    "does not support object tags", 'objects arrive without theirs (object_tags = "require" fails them instead)', "tags"
)
TAGS_IN_WRITES = Ability("does not accept tags with an object", "they are put by a request of their own afterwards")
TAGGING_DIRECTIVE = Ability("does not support the tagging directive", "it decides itself whether a copy has the tags")
TAGS_READ = Ability("does not return object tags", "what comes from there has none")
# Only ever proved: what is known of the number of tags among the headers of an object.
TAG_COUNTS = Ability("does not return the number of tags with an object", "")
HIDDEN_TAG_COUNTS = Ability("returns the number of tags with each object that has some", "")
TAG_COUNTS_BY_NAME = Ability("is not known to return the number of tags with an object", "")
# Only ever proved: without it, checksums of parts are made here.
PART_CHECKSUMS = Ability("does not answer GetObjectAttributes", "")
NO_PART_CHECKSUMS = Ability("answers GetObjectAttributes", "")
ANNOTATIONS = Ability("does not support annotations", "objects arrive without theirs", "annotations")
# Only ever proved: a bucket whose server has none has none to copy either.
NO_ANNOTATIONS = Ability("supports annotations", "")
ANNOTATION_DIRECTIVE = Ability(
    "does not support the annotation directive", "it copies annotations with an object or not, as it does by itself"
)
OBJECT_LOCKS = Ability("has no Object Lock for this bucket", "objects arrive without their locks", "object lock")
LOCKS_IN_WRITES = Ability(
    "does not accept locks with an object", "it is put by a request of its own right afterwards", is_minor=True
)
# Only ever proved: the permissions to read them are there, or locks would be left out without a word.
LOCKS_READ = Ability("does not return the locks of objects", "")
REDIRECTS = Ability("does not support website redirects", "objects arrive without theirs", "website redirect")
MANY_DELETES = Ability("has no DeleteObjects", "objects are deleted one by one")
# Only ever proved: a failure of a server that has it is about the keys.
TOGETHER = Ability("has not deleted several objects by one request yet", "")
DELETE_CONDITIONS = Ability(
    "does not support conditions on deletes", "each object is checked right before its batch is deleted"
)
COPIES = Ability("has no CopyObject", "objects are read and written through this process")
SOME_COPIES = Ability(
    "does not copy objects that it has, by their keys or ETags", "those are read and written through this process"
)
SOURCE_PARTS = Ability(
    "refuses the parts that some objects have in the source", "those arrive in other parts, and so with other ETags"
)
PART_COPIES = Ability("has no UploadPartCopy", "large objects are read and written through this process")


@cache
def kept_conditions(operation: str) -> Ability:
    """Conditions on what an operation would overwrite, which other servers ignore."""
    return _of_writes(f"ignores conditions on what a {operation} would overwrite")


@cache
def accepted_conditions(operation: str) -> Ability:
    """The same, which other servers refuse."""
    return _of_writes(f"refuses conditions on what a {operation} would overwrite")


@cache
def match_of_writes(operation: str) -> Ability:
    """The condition ``If-Match`` of an operation that writes, with an ETag as the server itself gives it."""
    return _of_writes(f"refuses a matching If-Match of a {operation}")


@cache
def relied_on(operation: str, header: str) -> Ability:
    """A condition of an operation that the server has proved to keep; never a lack."""
    return Ability(f"ignores {header} of {operation}", "")


@cache
def kept_tags(operation: str) -> Ability:
    """Tags among the headers of an operation that writes, which some servers accept and forget."""
    return Ability(f"forgets the tags of a {operation}", "they are put by a request of their own afterwards")


def _of_writes(lack: str) -> Ability:
    return Ability(lack, "a HEAD is sent for the store's object right before", is_minor=True)


def storage_class_ability(name: str) -> Ability:
    """Objects of the storage class of that name."""
    consequence = f'what is {name} in the source arrives in the default class (storage_class = "default" says so)'
    return Ability(f"refuses the storage class {name}", consequence, f"storage class {name}")


class _Known:
    """What is known of the server of one bucket. Thread-safe."""

    def __init__(self) -> None:
        self.lacking: set[Ability] = set()
        self.proved: set[Ability] = set()
        self.trials: dict[Ability, Future[None]] = {}
        self.lock = Lock()


@lru_cache(maxsize=256)
def _known_of(_: Endpoint) -> _Known:
    return _Known()


def forget_all() -> None:
    """Know nothing of any server any more, as in a new process."""
    _known_of.cache_clear()


class ServerAbilities:
    """What the server of one bucket lacks, as one connection sees it.

    Args:
        endpoint: where the bucket's requests go; connections to the same one share what they find.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._place = f"s3://{endpoint.bucket}"
        self._known = _known_of(endpoint)
        self._met: dict[Ability, None] = {}

    def lacks(self, ability: Ability) -> bool:
        """Whether the server is known to lack something that is about to be needed."""
        if ability not in self._known.lacking:
            return False
        self._met[ability] = None
        return True

    def has_proved(self, ability: Ability) -> bool:
        """Whether the server has shown that it has something, which must be known before it is relied upon."""
        return ability in self._known.proved

    def begin_trial(self, ability: Ability) -> bool:
        """Whether the caller is the one that finds out whether the server has something, until `end_trial`."""
        trial: Future[None] = LightFuture()
        with self._known.lock:
            return self._known.trials.setdefault(ability, trial) is trial

    def end_trial(self, ability: Ability) -> None:
        """Leave it to another caller, if nothing was found out."""
        with self._known.lock:
            trial = self._known.trials.pop(ability, None)
        if trial is not None:
            trial.set_result(None)

    def try_out(
        self, ability: Ability, find_out: "Callable[[], Future[T]]", again: "Callable[[], Future[T]]"
    ) -> "Future[T]":
        """What `find_out` gives, which shows whether the server has something; or `again` once another caller's has.

        Of callers at the same time only one finds out. If nothing was found out, `again` may try it out in turn.
        """
        trial: Future[None] = LightFuture()
        with self._known.lock:
            running = self._known.trials.setdefault(ability, trial)
        if running is not trial:
            return follow(running, lambda _: again())
        try:
            found = find_out()
        except BaseException:  # closed just now, say; those who wait must go on
            self.end_trial(ability)
            raise
        deliver(found, lambda _: self.end_trial(ability))
        return found

    def prove(self, ability: Ability) -> None:
        """Take note that the server has something."""
        if ability not in self._known.proved:
            with self._known.lock:
                self._known.proved.add(ability)

    def note(self, ability: Ability, *, instead_of: tuple[Ability, ...] = ()) -> None:
        """Take note that the server lacks something, and that this was behind another lack."""
        _logger.info("%s: its server %s; %s", self._place, ability.lack, ability.consequence)
        with self._known.lock:
            self._known.lacking.add(ability)
        self._met[ability] = None
        for one in instead_of:
            self._met.pop(one, None)

    @property
    def met(self) -> tuple[ServerLack, ...]:
        """What this connection needed and the server lacks, in the order in which it was met."""
        return tuple(
            ServerLack(place=self._place, lack=ability.lack, consequence=ability.consequence, is_minor=ability.is_minor)
            for ability in tuple(self._met)
        )
