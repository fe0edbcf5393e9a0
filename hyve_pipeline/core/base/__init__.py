"""What everything stands on: errors, keys, manifests, sizes."""
