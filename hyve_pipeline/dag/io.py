"""Hands tables that the verbs have written to Parquet from asset to asset, and to notebooks.

An asset's value is a `StoredTable`: where the rows are, not the rows. Whoever loads it chooses by
annotation: `pd.DataFrame`, `pa.Table`, `pyarrow.dataset.Dataset`, `duckdb.DuckDBPyRelation` or the
`StoredTable` itself.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from pydantic import Field

from hyve_pipeline.flow.context import Home
from hyve_pipeline.flow.tables import StoredTable, TableShelf, open_table

_LOADERS: dict[Any, Callable[[StoredTable], Any]] = {
    StoredTable: lambda table: table,
    ds.Dataset: open_table,
    pa.Table: lambda table: open_table(table).to_table(),
    pd.DataFrame: lambda table: open_table(table).to_table().to_pandas(),
    duckdb.DuckDBPyRelation: lambda table: duckdb.connect().from_arrow(open_table(table)),
}


class ParquetTables(dg.ConfigurableIOManager):
    """Keeps, for each asset, which files hold the rows of its newest materialization and of each run's."""

    home: str = Field(description="The folder that holds all state.")

    def _shelf(self, key: dg.AssetKey) -> TableShelf:
        sync, asset = key.path[-2:]
        return TableShelf(Home(Path(self.home)), sync, asset)

    def handle_output(self, context: dg.OutputContext, obj: StoredTable) -> None:
        """Remember the table; say how many rows and which columns it has."""
        self._shelf(context.asset_key).keep(obj, context.run_id)
        dataset = open_table(obj)
        context.add_output_metadata(
            {
                "dagster/row_count": dataset.count_rows(),
                "dagster/uri": obj.uris[0],
                "dagster/column_schema": column_schema(dataset.schema),
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the table of this run, or else the newest one.

        Raises:
            StateError: the asset was never materialized.
            TypeError: the annotation is none of the supported ones.
        """
        wanted = context.dagster_type.typing_type
        loader = _LOADERS[StoredTable] if wanted is Any else _LOADERS.get(wanted)
        if loader is None:
            supported = ", ".join(kind.__name__ for kind in _LOADERS)
            raise TypeError(f"{context.asset_key.to_user_string()} can't be loaded as {wanted}; use {supported}")
        return loader(self._shelf(context.asset_key).find(_run_ids(context)))


def _run_ids(context: dg.InputContext) -> list[str]:
    """The run that loads, and the runs that it re-executes, newest first."""
    try:
        run = context.step_context.dagster_run
    except dg.DagsterInvariantViolationError:
        return []  # outside a run, as in `Definitions.load_asset_value`
    return [run_id for run_id in (run.run_id, run.parent_run_id, run.root_run_id) if run_id]


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
