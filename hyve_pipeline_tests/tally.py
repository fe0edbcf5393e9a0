"""Adds up what tests of reliability did, so that docs/reliability.md can say it; see CONTRIBUTING.md."""

import os
from collections import Counter

# How many times as much they do as they do by default.
THOROUGHNESS = int(os.environ.get("HYVE_THOROUGHNESS", "1"))

counts: Counter[str] = Counter()
