"""Where inventories, plans and journals are kept: JSON manifests and Parquet files below one URI."""
