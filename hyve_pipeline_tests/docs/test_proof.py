"""The ten statements of docs/proof.md compute the root that Hyve writes, and see what was changed, without Hyve."""

import ast
import subprocess
import sys
from pathlib import Path

from hyve_pipeline.core.model.history import HISTORY_SCHEMA
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import How, Unlike
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.prove.prove import prove_plan
from hyve_pipeline_tests.docs.markdown import ROOT, blocks
from hyve_pipeline_tests.docs.test_examples import COMMANDS_PAGE
from hyve_pipeline_tests.operations.listings import MD5, Entry, History, context_at, written_inventory
from hyve_pipeline_tests.operations.prove.proved import journal, plan_of, verify

_PAGE = ROOT / "docs" / "proof.md"
_LINES, _LINES_OF_VERSIONS = (block.text for block in blocks(_PAGE) if block.language == "python")


def _computed(document: Path, context: SyncContext, lines: str = _LINES) -> list[str]:
    state = context.state.local_path
    assert state is not None
    command = [sys.executable, "-c", lines, str(document), str(state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split()


def _verified(context: SyncContext) -> Plan:
    keys = ["a/1", "a/2", "b é\n,", "c", "same size", "zz"]
    source = {f"from/{key}": Entry(etag=str(place)) for place, key in enumerate(keys)}
    store = {f"to/{key}": Entry(time=9, etag=str(place)) for place, key in enumerate(keys)}
    store["to/c"] = Entry(time=9, etag="f")
    del store["to/zz"]
    plan = plan_of(context, source | {"from/d": Entry(storage_class="GLACIER")}, store)
    journal(context, plan, {"zz": f"{MD5}5"}, {"zz": ("checksum", "CRC32:BBBBBB==")})
    store["to/zz"] = Entry(time=9, etag="5")
    compared = [("c", f"{MD5}3", f"{MD5}f", "checksum", "CRC32:AAAAAA==")]
    verify(context, plan, written_inventory(context, "store", store, row_group_rows=2), compared)
    return plan


def test_ten_statements_compute_the_root(tmp_path: Path) -> None:
    assert "hyve" not in _LINES.replace("hyve_proof", "")
    assert len(ast.parse(_LINES).body) == 10
    context = context_at(tmp_path / "home", prefixes=("from/", "to/"))
    proof, document = prove_plan(context, _verified(context))
    assert (proof.tree.objects, proof.proved_by[How.CHECKSUM].objects) == (6, 2)
    file = tmp_path / "proof.json"
    file.write_bytes(document)
    assert _computed(file, context) == [proof.tree.root, "True"]
    file.write_bytes(document.replace(proof.tree.root.encode(), b"0" * 64))
    assert _computed(file, context) == [proof.tree.root, "False"]


def test_ten_statements_compute_the_root_of_versions(tmp_path: Path) -> None:
    assert "hyve" not in _LINES_OF_VERSIONS
    assert len(ast.parse(_LINES_OF_VERSIONS).body) == 10
    context = context_at(tmp_path / "home", prefixes=("from/", "to/"), versions="all", transfer="server")
    etags = {"a/1": ("1", "-", "a:b"), "a/2": ("2", "opaque", "-"), "b é\n,": ("3", "3")}
    source = {f"from/{key}": History(etags=found) for key, found in etags.items()}
    store = {f"to/{key}": History(etags=found) for key, found in etags.items()}
    before = store | {"to/a/2": History(etags=("2",))}
    plan = plan_of(context, source, before, HISTORY_SCHEMA)
    journal(context, plan, {"a/2": store["to/a/2"].digest})
    compared = [("a/2", "opaque", "opaque", "checksum", "CRC32:AAAAAA==", 3, 2)]
    listed = written_inventory(context, "store", store, row_group_rows=2, schema=HISTORY_SCHEMA)
    verify(context, plan, listed, compared)
    proof, document = prove_plan(context, plan)
    assert (proof.tree.objects, proof.proved_by[How.CHECKSUM].objects) == (8, 1)
    file = tmp_path / "proof.json"
    file.write_bytes(document)
    assert _computed(file, context, _LINES_OF_VERSIONS) == [proof.tree.root, "True"]


def test_the_page_names_every_class_and_member(tmp_path: Path) -> None:
    text = _PAGE.read_text(encoding="utf-8")
    context = context_at(tmp_path / "home", prefixes=("from/", "to/"))
    proof, _ = prove_plan(context, _verified(context))
    names = [*How, *Unlike, *type(proof).model_fields, "sha256", "signature"]
    assert [name for name in names if f"`{name}`" not in text] == []
    assert "proof.md" in COMMANDS_PAGE.read_text(encoding="utf-8")
