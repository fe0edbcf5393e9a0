"""What the code server of ``hyve ui`` loads: the same as `hyve_pipeline.definitions`, every sync of a configuration.

But *Materialize all* runs all steps in one process, as the jobs do. Dagster's default is a process for each step, which
takes longer to start than most steps last. `hyve_pipeline.definitions` leaves that open: definitions with an executor
can't be merged with others that have one.
"""

import dagster as dg

from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.build import load_definitions

defs: dg.Definitions = dg.Definitions.merge(
    load_definitions(Home.from_environment()), dg.Definitions(executor=dg.in_process_executor)
)
