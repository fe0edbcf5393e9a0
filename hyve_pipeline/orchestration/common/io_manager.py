"""Passes tables that the operations have written to Parquet from asset to asset, and to notebooks.

An asset's value is a `StoredTable`: where the rows are, not the rows. The type annotation of the input decides what is
loaded: `pd.DataFrame`, `pa.Table`, `pyarrow.dataset.Dataset`, `duckdb.DuckDBPyRelation` or the `StoredTable` itself.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
from pydantic import Field, PrivateAttr

from hyve_pipeline.operations.context import Folder, Home
from hyve_pipeline.operations.stored_tables import StoredTable, TableShelf, measure_table, open_table

# By the annotation's name: importing pandas and `pyarrow.dataset` for their types alone would cost every
# command a third of a second.
_LOADERS: dict[str, Callable[[Folder, StoredTable], Any]] = {
    "StoredTable": lambda _, table: table,
    "Dataset": open_table,
    "Table": lambda state, table: open_table(state, table).to_table(),
    "DataFrame": lambda state, table: open_table(state, table).to_table().to_pandas(),
    "DuckDBPyRelation": lambda state, table: duckdb.connect().from_arrow(open_table(state, table)),
}
_MODULES = ("hyve_pipeline", "pandas", "pyarrow", "duckdb", "_duckdb")


def _loader_of(wanted: Any) -> Callable[[Folder, StoredTable], Any] | None:
    if wanted is Any:
        return _LOADERS["StoredTable"]
    package = getattr(wanted, "__module__", "").partition(".")[0]
    return _LOADERS.get(getattr(wanted, "__name__", "")) if package in _MODULES else None


class ParquetTables(dg.ConfigurableIOManager):
    """Keeps, for each asset, which files hold the rows of its newest materialization and of each run's."""

    home: str = Field(description="The folder that holds all state.")
    sync: str = Field(description="The sync's name.")
    assets: dict[str, str] = Field(default={}, description="The names of assets whose keys are translated, by key.")

    _definition: dg.IOManagerDefinition | None = PrivateAttr(default=None)

    def get_resource_definition(self) -> Any:
        """The definition, of which no run can set anything."""
        if self._definition is None:
            self._definition = dg.IOManagerDefinition(
                resource_fn=super().get_resource_definition().resource_fn,
                config_schema={},
                description=f"{type(self).__doc__}\n\n{shown_values({'home': self.home})}",
            )
        # Dagster requires the same object each time.
        return self._definition

    def _shelf(self, key: dg.AssetKey) -> TableShelf:
        asset = self.assets.get(key.to_user_string(), key.path[-1])
        return TableShelf(Home(Path(self.home)), self.sync, asset)

    def _state(self) -> Folder:
        return Home(Path(self.home)).state(self.sync)

    def handle_output(self, context: dg.OutputContext, obj: StoredTable) -> None:
        """Save where the table is, and report its number of rows and its columns."""
        self._shelf(context.asset_key).keep(obj, context.run_id)
        context.add_output_metadata(table_metadata(self._state(), obj))

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the table of this run, or else the newest one.

        Raises:
            StateError: the asset was never materialized.
            TypeError: the annotation is none of the supported ones.
        """
        wanted = context.dagster_type.typing_type
        loader = _loader_of(wanted)
        if loader is None:
            supported = ", ".join(_LOADERS)
            raise TypeError(f"{context.asset_key.to_user_string()} can't be loaded as {wanted}; use {supported}")
        table = self._shelf(context.asset_key).find(_run_ids(context))
        return loader(self._state(), table)


def _run_ids(context: dg.InputContext) -> list[str]:
    """The run that loads, and the runs that it re-executes, newest first."""
    try:
        run = context.step_context.dagster_run
    except dg.DagsterInvariantViolationError:
        return []  # outside a run, as in `Definitions.load_asset_value`
    return [run_id for run_id in (run.run_id, run.parent_run_id, run.root_run_id) if run_id]


def shown_values(values: Mapping[str, Any]) -> str:
    """The values of a resource for its page, as Markdown: as configuration every run could change them."""
    return "\n".join(f"- {name}: `{value}`" for name, value in _flat(values))


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            # A backtick would end the quotation, and an empty one is not possible.
            yield f"{above}{name}", text.replace("`", "'") or " "


def table_metadata(state: Folder, table: StoredTable) -> dict[str, Any]:
    """How many rows a table has, where they are, and its columns.

    Raises:
        StateError: one of its files can't be read.
    """
    rows, schema = measure_table(state, table)
    return {
        "dagster/row_count": rows,
        "dagster/uri": state.uri_of(table.files[0]),
        "dagster/column_schema": column_schema(schema),
    }


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """An Arrow schema as Dagster shows it, with the descriptions of its fields."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=(field.metadata or {}).get(b"description", b"").decode() or None,
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in schema
        ]
    )
