"""Reports reach who listens, and nobody otherwise."""

from hyve_pipeline.core.runtime.progress import Listener, end, estimate, expect, listener, listening, report


class _Heard(Listener):
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def expect(self, activity: str, objects: int, size: int) -> None:
        self.calls.append(("expect", activity, objects, size))

    def estimate(self, activity: str, objects: int) -> None:
        self.calls.append(("estimate", activity, objects))

    def advance(self, activity: str, objects: int, size: int) -> None:
        self.calls.append(("advance", activity, objects, size))

    def end(self, activity: str, objects: int | None, size: int | None, failed: int) -> None:
        self.calls.append(("end", activity, objects, size, failed))


def _report_all() -> None:
    estimate("list store", 9)
    expect("copy", 2, 20)
    report("copy", 1, 10)
    end("copy", failed=1)
    end("list store", 8, 80)


def test_every_report_reaches_the_listener() -> None:
    heard = _Heard()
    with listening(heard):
        assert listener() is heard
        _report_all()
    assert heard.calls == [
        ("estimate", "list store", 9),
        ("expect", "copy", 2, 20),
        ("advance", "copy", 1, 10),
        ("end", "copy", None, None, 1),
        ("end", "list store", 8, 80, 0),
    ]


def test_nobody_is_called_without_a_listener() -> None:
    heard = _Heard()
    with listening(heard):
        pass
    _report_all()
    assert heard.calls == []


def test_the_listener_of_an_outer_block_listens_again() -> None:
    outer, inner = _Heard(), _Heard()
    with listening(outer):
        with listening(inner):
            report("copy", 1, 1)
        report("delete", 1, 1)
    assert (inner.calls, outer.calls) == ([("advance", "copy", 1, 1)], [("advance", "delete", 1, 1)])
