"""What the journal says of a plan."""
