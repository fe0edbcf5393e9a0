"""The table of the matrix: every kind of object that a sync must copy, one row each."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.sizes import GIB, MIB
from hyve_pipeline.s3.wire.checksums import ALGORITHMS
from hyve_pipeline_tests.matrix.uploads import Upload
from hyve_pipeline_tests.s3.keys import MOST_BYTES, ODD_KEYS

# The content of objects in the store before the sync, which overwrites, deletes or keeps them.
OLD = b"old"

# The multipart threshold and part size, in bytes, unless a test sets others.
THRESHOLD = 5 * MIB


@dataclass(frozen=True)
class Case:
    """One row: an object of the source, and the expected result of the sync.

    Attributes:
        group: its heading.
        name: what it is about; unique.
        key: its key below the prefix.
        upload: the object. Cases of one key are one object, which has the properties of all of them.
        ends: the expected result: ``copied``, ``skipped`` with a reason, or ``absent`` from the store.
        store_has: whether the store has another object with this key before.
        has_older: whether the source's bucket has an older version of it.
        is_deleted: whether the source's object is deleted again, which leaves a delete marker.
        store_deleted: whether the store's object is deleted again.
        keeps_etag: whether the copy must have the same ETag.
        is_copied_in_parts: whether it is copied by multipart upload, so that its checksum may differ.
        encrypted_by_store: whether the copy's encryption is the store's default and not the source's.
        needs_versions: whether the buckets must be versioned.
        needs_locks: whether the buckets must have Object Lock.
        archive: whether the server must refuse to return the content.
    """

    group: str
    name: str
    key: str
    upload: Upload = field(default_factory=Upload)
    ends: str = "copied"
    store_has: bool = False
    has_older: bool = False
    is_deleted: bool = False
    store_deleted: bool = False
    keeps_etag: bool = False
    is_copied_in_parts: bool = False
    encrypted_by_store: bool = False
    needs_versions: bool = False
    needs_locks: bool = False
    archive: bool = False

    @property
    def is_about_key(self) -> bool:
        """Whether it tests that the server keeps the key."""
        return self.group == KEYS


KEYS, SIZES, PARTS = "Keys", "Sizes", "Multipart uploads"
HEADERS, TAGS, CLASSES = "Headers and metadata", "Tags", "Storage classes"
ANNOTATIONS, LOCKS = "Annotations", "Object Lock"
CHECKSUMS, ENCRYPTION, ARCHIVED, VERSIONS = "Checksums", "Encryption", "Archived objects", "Versions"
GROUPS = (KEYS, SIZES, PARTS, HEADERS, TAGS, ANNOTATIONS, CLASSES, CHECKSUMS, LOCKS, ENCRYPTION, ARCHIVED, VERSIONS)

# Names of keys that look alike.
_NAMES = {"u\u0308": "ü as two characters (NFD)", "\u00fc": "ü as one character (NFC)"}


def cases(prefix: str) -> list[Case]:
    """The table, for buckets in which all keys begin with `prefix`, which counts towards the 1,024 bytes."""
    found = [*_keys(MOST_BYTES - len(prefix.encode())), *_others()]
    assert len({case.name for case in found}) == len(found)
    return found


def _keys(room: int) -> Iterator[Case]:
    for number, key in enumerate(ODD_KEYS):
        name = f"key {_NAMES.get(key) or displayed(key)}"
        # Some are new in the store, and some overwritten.
        yield Case(KEYS, name, key, store_has=number % 3 == 0)
    for name, unit in {
        "of ASCII": "k",
        "of two bytes each": "é",
        "beyond the BMP": "\U0001f600",
        "of spaces": " ",
        "of slashes": "/",
    }.items():
        yield Case(KEYS, f"key of 1,024 bytes {name}", _filled(f"longest {name}/", unit, room))
    yield Case(KEYS, "key of 1,024 bytes in folders of 200", _filled("folders/", "f" * 200 + "/", room))


def _filled(begin: str, unit: str, room: int) -> str:
    key = begin + unit * ((room - len(begin.encode())) // len(unit.encode()))
    return key + "x" * (room - len(key.encode()))


_PART_SIZES = {
    "1 byte in one part": (1,),
    "5 MiB and 1 byte": (5 * MIB, 1),
    "11 MiB in one part": (11 * MIB,),
    "11 MiB in 5, 5 and 1": (5 * MIB, 5 * MIB, MIB),
    "11 MiB in 6 and 5": (6 * MIB, 5 * MIB),
    "11 MiB in 5 and 6": (5 * MIB, 6 * MIB),
}

_HEADERS = {
    "Content-Type": {"content-type": "text/csv; charset=utf-8"},
    "Cache-Control": {"cache-control": "max-age=60, public"},
    "Content-Disposition": {"content-disposition": "attachment; filename=\"a b.csv\"; filename*=UTF-8''%C3%BC.csv"},
    "Content-Encoding": {"content-encoding": "gzip"},
    "Content-Language": {"content-language": "de, en"},
    "Expires": {"expires": "Wed, 21 Oct 2026 07:28:00 GMT"},
    "website redirect": {"x-amz-website-redirect-location": "/else%20where?a=b"},
    "metadata": {"x-amz-meta-camera": "X100", "x-amz-meta-under_score": "1"},
    "metadata with spaces": {"x-amz-meta-spaces": "two  spaces, and more"},
    "metadata with %": {"x-amz-meta-percent": "100%25 %zz %"},
    "metadata like an encoded word": {"x-amz-meta-encoded": "=?UTF-8?B?Z3LDvG4=?="},
    "metadata that is not ASCII": {"x-amz-meta-other": "grün 漢字"},
    "metadata that is empty": {"x-amz-meta-empty": ""},
    "1,000 bytes of metadata": {"x-amz-meta-long": "m" * 990},
}

_TAGS = {
    "a tag": (("team", "photos"),),
    "tags with spaces": (("with space", "a  b"),),
    "tags that are not ASCII": (("größe", "漢字"),),
    "tags with + - = . _ : / @": (("signs+-=", "+-=._:/@"),),
    "a tag with an empty value": (("empty", ""),),
    "tags that no header has room for": tuple((f"long {number}", "å" * 250) for number in range(2)),
}

# A day is the shortest event hold.
_TOMORROW = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
_LOCKS = {
    "legal hold": {"legal-hold": "ON"},
    "retention": {"mode": "GOVERNANCE", "retain-until-date": _TOMORROW},
    "event hold": {"mode": "GOVERNANCE", "event-hold": "ON", "event-hold-duration-days": "1"},
}

_CLASSES = ("STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY", "GLACIER_IR")


def _others() -> Iterator[Case]:
    yield from _of_sizes()
    yield from _of_properties()
    yield from _that_are_not_copied()
    for name, case in {
        "the source's current version": Case(VERSIONS, "", "current", has_older=True),
        "an older version of the store stays": Case(VERSIONS, "", "overwritten", store_has=True),
        "a delete marker in the source": Case(VERSIONS, "", "gone", is_deleted=True, store_has=True, ends="absent"),
        "a delete marker in the store": Case(VERSIONS, "", "back", store_has=True, store_deleted=True),
    }.items():
        yield replace(case, name=name, key=f"versions/{case.key}", needs_versions=True)


def _of_sizes() -> Iterator[Case]:
    for size, name in {
        0: "0 bytes",
        1: "1 byte",
        THRESHOLD - 1: "5 MiB - 1",
        THRESHOLD: "5 MiB",
        THRESHOLD + 1: "5 MiB + 1",
        11 * MIB: "11 MiB",
    }.items():
        yield Case(SIZES, name, f"sizes/{size}", Upload(size), is_copied_in_parts=size > THRESHOLD)
    for name, parts in _PART_SIZES.items():
        upload = Upload(sum(parts), parts)
        case = Case(PARTS, name, f"parts/{name}", upload, is_copied_in_parts=True)
        yield case
        yield replace(case, name=f"{name}, with its ETag", keeps_etag=True)


def _of_properties() -> Iterator[Case]:
    for name, headers in _HEADERS.items():
        yield from _small_and_in_parts(HEADERS, name, Upload(headers=headers))
    for name, tags in _TAGS.items():
        yield from _small_and_in_parts(TAGS, name, Upload(tags=tags))
    texts = (("ml.labels", '{"cat": 0.97}'), ("größe", "漢字"))
    yield from _small_and_in_parts(ANNOTATIONS, "annotations", Upload(annotations=texts))
    for name, headers in _LOCKS.items():
        locked = {f"x-amz-object-lock-{header}": value for header, value in headers.items()}
        upload = Upload(headers=locked, checksum="CRC32")
        key = f"locks/{name.replace(' ', '-')}"
        yield Case(LOCKS, name, key, upload, needs_locks=True)
        large = replace(upload, size=THRESHOLD + 1)
        yield Case(
            LOCKS, f"{name}, multipart copy", f"{key}-in-parts", large, is_copied_in_parts=True, needs_locks=True
        )
    for name in _CLASSES:
        yield Case(CLASSES, name, f"classes/{name}", Upload(headers={"x-amz-storage-class": name}))
    in_parts = Upload(THRESHOLD + 1, headers={"x-amz-storage-class": _CLASSES[0]})
    yield Case(CLASSES, f"{_CLASSES[0]}, multipart copy", "classes/in parts", in_parts, is_copied_in_parts=True)
    for name in ALGORITHMS:
        yield Case(CHECKSUMS, name, f"checksums/{name}", Upload(checksum=name))
        large = Upload(THRESHOLD + 1, checksum=name)
        yield Case(CHECKSUMS, f"{name}, multipart copy", f"checksums/{name} in parts", large, is_copied_in_parts=True)
        parts = replace(large, parts=(THRESHOLD, 1))
        yield Case(CHECKSUMS, f"{name}, multipart upload", f"checksums/parts {name}", parts, is_copied_in_parts=True)
    for name in ("AES256", "aws:kms"):
        upload = Upload(headers={"x-amz-server-side-encryption": name})
        key = f"encryption/{name}"
        yield Case(ENCRYPTION, f"source encrypted by {name}", key, upload, encrypted_by_store=True)
        yield Case(
            ENCRYPTION,
            f"source encrypted by {name}, multipart copy",
            f"{key} in parts",
            replace(upload, size=THRESHOLD + 1),
            encrypted_by_store=True,
            is_copied_in_parts=True,
        )


def _small_and_in_parts(group: str, name: str, upload: Upload) -> Iterator[Case]:
    yield Case(group, name, f"properties/{name}", upload)
    # All of these are one object, as each takes 5 MiB, except the one that uses all the room for metadata.
    is_long = sum(map(len, upload.headers.values())) > 900
    large = replace(upload, size=THRESHOLD + 1)
    # No key is the folder of another: some servers store objects as files.
    key = f"properties in parts/{name if is_long else 'all'}"
    yield Case(group, f"{name}, multipart copy", key, large, is_copied_in_parts=True)


def _that_are_not_copied() -> Iterator[Case]:
    upload = Upload(customer_key=True)
    for name, store_has in {"is skipped": False, "is skipped, and its copy stays": True}.items():
        key = f"customer key {name}"
        yield Case(ENCRYPTION, f"source encrypted by a customer's key {name}", key, upload, "skipped", store_has)
        for archive in ("GLACIER", "DEEP_ARCHIVE"):
            yield Case(
                ARCHIVED,
                f"{archive} {name}",
                f"archived/{archive} {name}",
                Upload(headers={"x-amz-storage-class": archive}),
                "skipped",
                store_has,
                archive=True,
            )


def large_cases(prefix: str) -> list[Case]:
    """Objects around 5 GiB, the most that one CopyObject copies; only on request."""
    part = 64 * MIB
    found: list[Case] = []
    for size, name in {5 * GIB - 1: "5 GiB - 1", 5 * GIB: "5 GiB", 5 * GIB + 1: "5 GiB + 1"}.items():
        parts = tuple(min(part, size - first) for first in range(0, size, part))
        found.append(Case(SIZES, name, f"large/{size}", Upload(size, parts), is_copied_in_parts=True))
    return found
