"""A verified plan whose keys are of every class, each named after it."""

from pathlib import Path

import pytest

from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline_tests.operations.listings import MD5, Entry, context_at, written_inventory
from hyve_pipeline_tests.operations.prove.proved import journal, plan_of, verify

# Keys below the prefix, with the classes that they are of.
CLASSES = {
    "a/checksum": "checksum",
    "a/composite": "composite_checksum",
    "a/copied": "copied",
    "a/md5": "md5_etag",
    "a/no etags": "not_proved",
    "a/opaque": "not_proved",
    "a/other then": "not_proved",
    "a/parts": "parts_etag",
    "a/read": "read",
    "a/streamed": "checksum",
    "a/streamed, replaced": "not_proved",
    "a/streamed parts": "composite_checksum",
    "a/upper": "md5_etag",
    "é/remembered": "remembered",
    "z": "not_proved",
    "only source": "only_in_source",
    "only store": "only_in_store",
    "outdated": "outdated",
    "altered": "altered",
    "longer": "different_size",
    "x.tmp": "excluded",
    "y.tmp": "excluded",
}

_OTHER = "f" * 32

# What this plan has streamed, with what proved it.
_STREAMED = {
    "a/streamed": ("checksum", "CRC32:CCCC"),
    "a/streamed, replaced": ("checksum", "CRC32:CCCC"),
    "a/streamed parts": ("composite_checksum", "SHA256:DDDD-3"),
}


@pytest.fixture
def proved(tmp_path: Path) -> tuple[SyncContext, Plan]:
    """A sync, and its newest plan, which is verified."""
    context = context_at(
        tmp_path / "home", prefixes=("from/", "to/"), exclude=["*.tmp"], max_deletes="100%", transfer="server"
    )
    remembered = ("é/remembered", "altered")
    first = plan_of(context, {f"from/{key}": Entry(etag="7") for key in remembered}, {})
    journal(context, first, dict.fromkeys(remembered, "left there"))

    source = {key: Entry() for key in CLASSES if key not in ("only store", "y.tmp")}
    source |= {
        "a/copied": Entry(time=9, etag="5"),
        "a/no etags": Entry(etag=""),
        "a/opaque": Entry(etag="opaque"),
        "a/parts": Entry(etag=f"{MD5}0-2"),
        "a/upper": Entry(etag="a"),
        "altered": Entry(etag="7"),
        "longer": Entry(time=9, size=4),
        "only source": Entry(storage_class="GLACIER"),
        "outdated": Entry(time=9),
        "é/remembered": Entry(etag="7"),
        "z": Entry(etag="3"),
    }
    source |= {key: Entry(time=9, etag="5") for key in _STREAMED}
    store = {key: source.get(key, Entry()) for key in CLASSES if key not in ("only source", "x.tmp")}
    store |= {
        "a/checksum": Entry(time=9, etag="6"),
        "a/composite": Entry(time=9, etag="6"),
        "a/copied": Entry(etag="8"),
        "a/other then": Entry(time=9, etag="6"),
        "a/read": Entry(time=9, etag="6"),
        "a/upper": Entry(time=9, etag=f"{MD5}a".upper()),
        "altered": Entry(time=9, etag="9"),
        "longer": Entry(),
        "outdated": Entry(),
        "é/remembered": Entry(time=9, etag="left there"),
        "z": Entry(time=9, etag="4"),
    }
    store |= {key: Entry(etag="8") for key in _STREAMED}
    plan = plan_of(
        context,
        {f"from/{key}": entry for key, entry in source.items()},
        {f"to/{key}": entry for key, entry in store.items()},
    )
    copied = dict.fromkeys(("a/copied", *_STREAMED), "of parts-3")
    journal(context, plan, {**copied, "longer": None, "outdated": None}, _STREAMED)
    store |= {key: Entry(time=20, etag="of parts-3") for key in copied}
    store["a/streamed, replaced"] = Entry(time=20, etag="of others-3")
    listed = {f"to/{key}": entry for key, entry in store.items()}
    now = f"{MD5}0", f"{MD5}6"
    earlier = [
        ("a/checksum", *now, "read", ""),
        ("a/read", *now, "read", ""),
        ("a/other then", _OTHER, now[1], "read", ""),
    ]
    verify(context, plan, written_inventory(context, "store", listed, row_group_rows=4), earlier)
    compared = [
        ("a/checksum", *now, "checksum", "CRC64NVME:AAAA"),
        ("a/composite", *now, "composite_checksum", "SHA256:BBBB-2"),
    ]
    verify(context, plan, written_inventory(context, "store", listed, row_group_rows=4), compared)
    return context, plan
