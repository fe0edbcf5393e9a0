"""What Dagster loads: every sync of ``$HYVE_HOME/hyve.toml``."""

import dagster as dg

from hyve_pipeline.dag.build import load_definitions
from hyve_pipeline.flow.context import Home

defs: dg.Definitions = load_definitions(Home.from_environment())
