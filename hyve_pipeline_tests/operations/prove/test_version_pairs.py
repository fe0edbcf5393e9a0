"""Every version is of the class that the state shows; a proof of versions holds until a version is changed."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.history import HISTORY_SCHEMA
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import How, Unlike, read_document
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.prove.evidence import find_evidence
from hyve_pipeline.operations.prove.pairs import PairCounts, read_pairs
from hyve_pipeline.operations.prove.prove import prove_plan
from hyve_pipeline_tests.histories import histories, put_in_a_part
from hyve_pipeline_tests.operations.listings import MD5, Entry, History, context_at, written_inventory
from hyve_pipeline_tests.operations.prove.proved import journal, plan_of, verify
from hyve_pipeline_tests.syncs import Hyve, MakePair


def of(*etags: str, archived: int = 0) -> History:
    return History(etags=etags, archived=archived)


# Of each key the source's history, the store's before and after the copy, and the classes of its versions.
_NONE = of()
_SAME = of("1", "-", "2")
_KEYS: dict[str, tuple[History, History, History, list[str]]] = {
    "a/same": (_SAME, _SAME, _SAME, ["md5_etag", "delete_marker", "md5_etag"]),
    "a/parts": (of(f"{MD5}1-2"), _NONE, of(f"{MD5}1-2"), ["parts_etag"]),
    "a/copied": (
        of("opaque", "3", "s0", "-"), of("opaque"), of("opaque", "3", "t0", "-"),
        ["not_proved", "md5_etag", "copied", "delete_marker"],
    ),
    "a/new": (of("s0", "4"), _NONE, of("t0", "4"), ["copied", "md5_etag"]),
    "a/read": (of("s0", "s0"), _NONE, of("t0", "t0"), ["copied", "read"]),
    "é/remembered": (of("s1", "s2"), of("t1", "t2"), of("t1", "t2"), ["remembered", "remembered"]),
    "altered": (of("1", "2"), of("1", "2", "3"), of("1", "2", "3"), ["altered", "altered", "only_in_store"]),
    "archived": (
        of("1", "s0", "3", archived=3), of("1", "t0"), of("1", "t0"), ["md5_etag", "outdated", "only_in_source"],
    ),
    "failed": (of("1", "2"), of("1"), of("1"), ["md5_etag", "only_in_source"]),
    "only source": (of("1", "-", archived=1), _NONE, _NONE, ["only_in_source", "only_in_source"]),
    "unknown": (of("1", ""), of("1", ""), of("1", ""), ["outdated", "outdated"]),
    "x.tmp": (of("1"), _NONE, _NONE, ["excluded"]),
}  # fmt: skip


def _listing(prefix: str, histories: Iterable[History]) -> dict[str, Entry]:
    return {prefix + key: history for key, history in zip(_KEYS, histories, strict=True) if history.etags}


@pytest.fixture
def proved(tmp_path: Path) -> tuple[SyncContext, Plan]:
    """A sync of all versions, and its newest plan, which is verified."""
    options = {"versions": "all", "exclude": ["*.tmp"], "transfer": "server"}
    context = context_at(tmp_path / "home", prefixes=("from/", "to/"), **options)
    source, before, after, _ = zip(*_KEYS.values(), strict=True)
    remembered = _KEYS["é/remembered"]
    first = plan_of(context, {"from/é/remembered": remembered[0]}, {}, HISTORY_SCHEMA)
    journal(context, first, {"é/remembered": remembered[1].digest})
    plan = plan_of(context, _listing("from/", source), _listing("to/", before), HISTORY_SCHEMA)
    copied = {key: history.digest for key, history in zip(_KEYS, after, strict=True)}
    journal(context, plan, {**copied, "failed": None})
    listed = written_inventory(context, "store", _listing("to/", after), row_group_rows=4, schema=HISTORY_SCHEMA)
    compared = [
        ("a/read", _KEYS["a/read"][0].digest, _KEYS["a/read"][2].digest, "versions", "", 6, None),
        ("a/read", "s0", "t0", "read", "", 3, 2),
        ("a/same", MD5 + "1", MD5 + "2", "checksum", "CRC32:AAAA", 3, 1),
    ]
    verify(context, plan, listed, compared)
    return context, plan


def test_each_version_is_of_its_class(proved: tuple[SyncContext, Plan]) -> None:
    context, plan = proved
    counts = PairCounts()
    rows = [row for table in read_pairs(context, find_evidence(context, plan), counts) for row in table.to_pylist()]
    expected = Counter(name for *_, names in _KEYS.values() for name in names)
    found = {**counts.proved_by, **counts.not_in_tree}
    assert {name.value: count.objects for name, count in found.items()} == expected
    assert (counts.proved_by[How.DELETE_MARKER], counts.proved_by[How.READ]) == (
        Count(objects=2, bytes=0),
        Count(objects=1, bytes=3),
    )
    in_tree = [key for key in sorted(_KEYS, key=str.encode) for name in _KEYS[key][3] if name in {*How}]
    assert [row["key"] for row in rows] == in_tree
    leaves = [row["leaf"].decode() for row in rows if row["key"] in ("a/same", "é/remembered")]
    assert leaves == [
        f"6:a/same,1:1,1:3,32:{MD5}1,32:{MD5}1,0:,",
        "6:a/same,1:2,1:-,0:,0:,0:,",
        f"6:a/same,1:3,1:3,32:{MD5}2,32:{MD5}2,0:,",
        "13:é/remembered,1:1,1:3,2:s1,2:t1,0:,",
        "13:é/remembered,1:2,1:3,2:s2,2:t2,0:,",
    ]
    proof, document = prove_plan(context, plan)
    assert read_document("it", document) == (proof, None)
    assert (proof.versions, proof.tree.objects, proof.not_in_tree[Unlike.ALTERED].objects) == ("all", len(rows), 2)


def test_a_proof_of_versions_holds_until_one_is_changed(
    make_pair: MakePair, version_endpoint: str, hyve: Hyve, tmp_path: Path
) -> None:
    pair = make_pair(endpoint_url=version_endpoint, versioned=True, versions="all")
    pair.source.put({"a": b"1", "b": b"1"})
    put_in_a_part(pair.source, "a", b"2")
    pair.source.delete("b")
    assert hyve("sync").code == 0
    assert hyve("verify", "--content", "100%").code == 0
    file = tmp_path / "it.json"
    proved = hyve("prove", "--output", str(file))
    assert (proved.code, ": 4 versions and delete markers, 3 B" in proved.out) == (0, True), proved
    for where in ((), ("--buckets",)):
        assert hyve("prove", "--check", str(file), *where).code == 0
    # The same content again is another version; so is another one in the place of the first.
    pair.store.put({"a": b"2"})
    oldest = histories(pair.store)["b"][0][0]
    pair.store.client.delete_object(Bucket=pair.store.name, Key="b", VersionId=oldest)
    checked = hyve("prove", "--check", str(file), "--buckets", "--json")
    assert checked.code == 1
    text = "\n".join(checked.document["differences"])
    assert "only_in_store: 1 object, " in text
    assert "different_size: 1 object, " in text
    assert "store: a has other versions" in text
    assert hyve("prove", "--check", str(file)).code == 0
