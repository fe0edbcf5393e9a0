"""What Dagster loads: every sync of ``$HYVE_HOME/hyve.toml``."""

import dagster as dg

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.build import load_definitions

defs: dg.Definitions = load_definitions(Home.from_environment())
