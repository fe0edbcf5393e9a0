"""What inventories, diffs, plans and journals are, and the rules between them."""
