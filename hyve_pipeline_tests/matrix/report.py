"""docs/compatibility.md: the outcome of each case on each server."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest

from hyve_pipeline_tests.matrix.cases import GROUPS, Case
from hyve_pipeline_tests.matrix.conditions import RACES
from hyve_pipeline_tests.matrix.histories import HISTORY_CASES
from hyve_pipeline_tests.matrix.servers import EXACT_MOTO, SETTINGS, Setting, versions

# The row for the sync as a whole.
WHOLE = "succeeds, is verified, and copies nothing the second time"

_ABOUT_RACES = """\
Another program writes to the store between the plan and the copy. What it wrote stays in every case that is not
**failed**. **ok**: the server refuses the write itself, by `If-None-Match` or `If-Match`. **skipped**: it does not, and
only a HEAD right before holds the write back, so that an object that comes in the moment between them is overwritten.

"""

_ABOUT_HISTORIES = """\
A sync with [`versions = "all"`](versions.md) copies all versions and delete markers of each key. **ok**: the store has
the same ones in the same order, each with its content, headers, metadata and tags, and a second sync adds none.

"""

_INTRODUCTION = """\
# Compatibility

What a sync copies, tested on real servers: every row is an object that was put into a source, synced by `hyve sync`,
and checked in the store. `make compatibility` writes this page.

**ok**: the copy is exact. **skipped**: the server itself does not support it, as a plain request shows; the reason is
given. **failed**: the server supports it, and the sync did not copy it. A column `A → B` is a sync from one server to
another.

Every object is also listed, verified and, when its source is deleted, deleted under its exact key; and a second sync
copies nothing.

To run this on your own server, create two buckets for it and name them. It writes and deletes only below a prefix
`hyve-matrix-` and 12 random digits, and removes that at the end:

    HYVE_MATRIX_SOURCE_BUCKET=one HYVE_MATRIX_STORE_BUCKET=two HYVE_MATRIX_PROFILE=mine make compatibility

| variable | meaning |
|---|---|
| `HYVE_MATRIX_SOURCE_BUCKET`, `HYVE_MATRIX_STORE_BUCKET` | the two buckets |
| `HYVE_MATRIX_ENDPOINT_URL` | the server; without it, AWS |
| `HYVE_MATRIX_PROFILE`, `HYVE_MATRIX_REGION` | an AWS profile, and the region; without them, the default chain |
| `HYVE_MATRIX_KMS_KEY_ID` | a KMS key for encrypted objects; without it, they are skipped |
| `HYVE_MATRIX_STORE_ENDPOINT_URL`, `…_STORE_PROFILE`, `…_STORE_REGION`, `…_STORE_KMS_KEY_ID` | the same for the \
store, where it is on another server |
| `HYVE_MATRIX_NAME` | the title of the column |
| `HYVE_MATRIX_LARGE` | `1` also copies three objects of about 5 GiB |

On AWS, some objects have storage classes that are billed for a month or longer. In buckets with Object Lock, some are
locked; to delete them at the end takes the permission s3:BypassGovernanceRetention.

[copies.md](copies.md#servers-that-differ) says what a sync does where a server lacks a feature.
"""


@dataclass
class Outcomes:
    """The outcomes of the cases, as pytest reports them."""

    found: dict[tuple[str, str], str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.found)

    def note(self, setting: Setting, case_name: str, report: pytest.TestReport) -> None:
        """Record a report, if it has the outcome of the case."""
        if report.when == "call" or not report.passed:
            self.found[setting.name, case_name] = _outcome(report)


def _outcome(report: pytest.TestReport) -> str:
    if report.passed:
        return "ok"
    if report.failed:
        return "**failed**"
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return f"skipped: {reason.removeprefix('Skipped: ')}"


def write_report(path: Path, outcomes: Outcomes) -> None:
    """Write the page."""
    settings = [
        setting for setting in (*SETTINGS, EXACT_MOTO) if any(name == setting.name for name, _ in outcomes.found)
    ]
    rows: dict[str, Case] = {}
    for setting in settings:
        rows |= {case.name: case for case in setting.choose("") if (setting.name, case.name) in outcomes.found}
    parts = [_INTRODUCTION, _what_ran(settings)]
    parts.append(f"## The sync as a whole\n\n{_table(settings, [WHOLE], outcomes)}")
    parts.append(f"## Writes of other programs\n\n{_ABOUT_RACES}{_table(settings, _races(outcomes), outcomes)}")
    histories = _table(settings, [case.name for case in HISTORY_CASES], outcomes)
    parts.append(f"## All versions\n\n{_ABOUT_HISTORIES}{histories}")
    ordered = sorted(rows.values(), key=lambda case: GROUPS.index(case.group))
    for group, cases in groupby(ordered, key=lambda case: case.group):
        parts.append(f"## {group}\n\n{_table(settings, [case.name for case in cases], outcomes)}")
    path.write_text("\n".join(parts), encoding="utf-8")


def _races(outcomes: Outcomes) -> list[str]:
    return [race.name for race in RACES if any(name == race.name for _, name in outcomes.found)]


def _what_ran(settings: Iterable[Setting]) -> str:
    names = {
        name.removeprefix("second ").removeprefix("exact ")
        for setting in settings
        for name in (setting.source, setting.store)
    }
    found = [f"{name} {find_version()}" for name, find_version in versions().items() if name.lower() in names]
    return f"Run on {datetime.now(UTC):%Y-%m-%d}, with {', '.join(found)}.\n" if found else ""


def _table(settings: list[Setting], names: list[str], outcomes: Outcomes) -> str:
    columns = [setting for setting in settings if any((setting.name, name) in outcomes.found for name in names)]
    lines = [["", *(setting.title for setting in columns)], ["---"] * (len(columns) + 1)]
    for name in names:
        lines.append([_shown(name), *(outcomes.found.get((setting.name, name), "") for setting in columns)])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _shown(name: str) -> str:
    """A case's name as text of a table; keys are shown unchanged."""
    kind, _, key = name.partition(" ")
    if kind != "key" or key.startswith("of ") or key.endswith(")"):
        return name.replace("|", "\\|")
    fence = "``" if "`" in key else "`"
    escaped = key.replace("|", "\\|")
    return f"{fence} {escaped} {fence}" if fence == "``" or key != key.strip() else f"{fence}{escaped}{fence}"
