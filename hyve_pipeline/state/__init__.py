"""The state: inventories, plans, journals and events as JSON manifests and Parquet files below one URI."""
