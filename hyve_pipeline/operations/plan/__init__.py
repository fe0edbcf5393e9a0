"""From two inventories to a frozen plan."""
