"""Keys that careless tools change, drop or obey."""

from pathlib import Path

from hyve_pipeline.core.base.keys import parse_list_line
from hyve_pipeline_tests.s3.keys import ODD_KEYS, XML_KEYS
from hyve_pipeline_tests.syncs import Hyve, MakePair, Pair, next_second

# Of each kind some, so that all three sets have odd keys.
_MODIFIED, _DUPLICATE = XML_KEYS[::3], XML_KEYS[1::3]


def test_every_key_arrives_as_it_is_and_a_second_sync_does_nothing(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair()
    objects = {key: b"" if key == "dir/" else f"content of {key}".encode() for key in ODD_KEYS}
    pair.source.put(objects)
    pair.store.put(dict.fromkeys(_MODIFIED, b"old") | {f"{key}x": b"gone" for key in _DUPLICATE})
    assert hyve("dryrun").code == 0
    sets = {
        "new": set(ODD_KEYS) - set(_MODIFIED),
        "modified": set(_MODIFIED),
        "duplicate_stores": {f"{key}x" for key in _DUPLICATE},
    }
    for name, keys in sets.items():
        read = [parse_list_line(line) for line in pair.lines(name)]
        assert read == sorted(keys, key=str.encode), name

    synced = hyve("sync", "--json")
    assert (synced.code, synced.document["verified"]) == (0, True)
    assert pair.store.read() == objects

    store = pair.store.listing()
    next_second()
    again = hyve("sync", "--json").document
    assert (again["copied"], again["deleted"], again["verified"]) == (0, 0, True)
    assert pair.store.listing() == store


def test_lists_quote_what_could_not_be_read_back(pair: Pair, hyve: Hyve) -> None:
    pair.source.put(dict.fromkeys(["plain ü ", "new\nline", '"quoted"', "tab\t", 'in"side', "back\\slash"], b"1"))
    assert hyve("dryrun").code == 0
    assert pair.lines("new") == [
        '"\\"quoted\\""',
        "back\\slash",
        'in"side',
        '"new\\nline"',
        "plain ü ",
        '"tab\\t"',
    ]


def test_no_key_reaches_the_terminal_unescaped(make_pair: MakePair, hyve: Hyve) -> None:
    pair = make_pair(shard_objects=1)
    hostile = ["\x1b]0;owned\x07\x1b[2J", "a\rb", "new\nline", "\u202egpj.exe", "\x9b31m"]
    pair.source.put(dict.fromkeys(hostile, b"1"))
    plan = hyve("dryrun", "--json").document["plan"]
    pair.source.put(dict.fromkeys(hostile, b"22"))
    copied = hyve("copy")
    assert copied.code == 1
    finished = [copied, hyve("show", plan), hyve("show", plan, "--failed"), hyve("verify"), hyve("plans")]
    for text in (text for command in finished for text in (command.out, command.err)):
        assert [character for character in text if not character.isprintable() and character != "\n"] == []
    unsettled = finished[2].out.splitlines()
    for key in ("\\u202egpj.exe", "new\\x0aline"):
        assert f"copy skipped ChangedSincePlan (changed since the plan was made): {key}" in unsettled


def test_a_hostile_home_is_shown_escaped_once(hyve: Hyve, tmp_path: Path) -> None:
    finished = hyve("plans", "--home", f"{tmp_path}/a\x1b[2J\nb")
    assert finished.code == 2
    assert f"the home {tmp_path}/a\\x1b[2J\\x0ab contains a control character" in finished.only_line
