"""How far a plan has been applied, by its journal."""
