"""Settings of a Celery worker for runs of Dagster, which reads them under this name from PYTHONPATH.

PYTHONPATH=deploy/celery celery -A dagster_celery.app worker --concurrency 1

``--concurrency`` is how many runs it has at a time; each is a process with up to `concurrency` requests in flight.
Not ``dagster-celery worker start``: that keeps the broker's password in a file, and does not pass SIGTERM on.
"""

import os

broker_url = os.environ["HYVE_CELERY_BROKER"]
result_backend = broker_url

# A worker takes a task when it has a free process, not before: otherwise tasks wait at a busy worker.
worker_prefetch_multiplier = 1

# A task is acknowledged at its beginning, so that Redis gives a long one to no other worker. The run of a worker that
# is lost is closed, and requested again.
task_acks_late = False
