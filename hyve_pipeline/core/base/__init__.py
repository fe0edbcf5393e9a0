"""What every other package uses: errors, keys, ids, manifests, sizes."""
