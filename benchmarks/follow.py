"""How long it takes from a write until its copy: ``python -m benchmarks.follow [SECONDS] [RATE]``.

Objects of 1 KB are written at an even rate into a source whose events go to a queue, and ``hyve follow`` copies them.
The time of a copy is that in its journal; server, writer and command share this machine's cores.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.state.journals import shard_journals

_INTERVALS = (0, 5, 30)
_BODY = bytes(1_000)
_KEYS = {"aws_access_key_id": "benchmark", "aws_secret_access_key": "benchmark", "region_name": "us-east-1"}
_MOST_WAIT_SECONDS = 120


def main(arguments: list[str]) -> None:
    """Measure with several intervals between two plans, and print a table in Markdown."""
    seconds, rate = (float(text) for text in (*arguments, *("60", "20")[len(arguments) :]))
    print(f"{rate:g} objects a second, for {seconds:g} seconds")
    print("| `interval_seconds` | objects | plans | median | p95 | longest |\n|--:|--:|--:|--:|--:|--:|")
    for interval in _INTERVALS:
        with (
            EmbeddedServer(services=("s3", "sqs")) as server,
            tempfile.TemporaryDirectory(prefix="hyve-follow-") as folder,
        ):
            delays, plans = _measure(server.endpoint_url, Path(folder), interval, seconds, rate)
        delays.sort()
        shown = [f"{delays[int(share * (len(delays) - 1))]:.1f} s" for share in (0.5, 0.95, 1.0)]
        print(f"| {interval} | {len(delays):,} | {plans} | {' | '.join(shown)} |", flush=True)


def _measure(endpoint_url: str, home: Path, interval: int, seconds: float, rate: float) -> tuple[list[float], int]:
    """The seconds from each write to its copy, and how many plans there were."""
    s3, queue_url = _prepare(endpoint_url)
    place = f'region = "us-east-1"\nendpoint_url = "{endpoint_url}"\n'
    (home / "hyve.toml").write_text(
        f'[sync.images]\napply = "copies"\n[sync.images.source]\nbucket = "source"\n{place}'
        f'[sync.images.store]\nbucket = "store"\n{place}'
        f'[sync.images.events]\nqueue_url = "{queue_url}"\ninterval_seconds = {interval}\n'
    )
    keys = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
    command = [sys.executable, "-m", "hyve_pipeline", "follow", "--home", str(home), "--json"]
    written: dict[str, float] = {}
    with subprocess.Popen(command, env={**os.environ, **keys}, stdout=subprocess.PIPE, text=True) as follower:
        lines = iter(follower.stdout or ())
        begun = time.time()
        while (at := len(written) / rate) < seconds:
            time.sleep(max(0.0, begun + at - time.time()))
            key = f"{len(written):06d}"
            s3.put_object(Bucket="source", Key=key, Body=_BODY)
            written[key] = time.time()
        copied = plans = 0
        until = time.time() + _MOST_WAIT_SECONDS
        while copied < len(written) and time.time() < until:
            done = json.loads(next(lines))
            copied += done["copied"]
            plans += done["plan"] is not None
        follower.send_signal(signal.SIGINT)
    delays: list[float] = []
    context = SyncContext.choose(Home(home), None)
    for plan_id in context.plans.ids():
        for _, journal in shard_journals(context.state, context.plans.load(plan_id)):
            delays += [row.at.timestamp() - written[key] for key, row in journal.last_rows().items()]
    if len(delays) != len(written):
        raise RuntimeError(f"{len(delays)} of {len(written)} objects were copied")
    return delays, plans


def _prepare(endpoint_url: str) -> tuple[Any, str]:
    """Make the buckets, and a queue that gets the events of the source."""
    session = boto3.Session(**_KEYS)
    s3, sqs = session.client("s3", endpoint_url=endpoint_url), session.client("sqs", endpoint_url=endpoint_url)
    for bucket in ("source", "store"):
        s3.create_bucket(Bucket=bucket)
    url = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    wanted = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
    s3.put_bucket_notification_configuration(Bucket="source", NotificationConfiguration={"QueueConfigurations": wanted})
    return s3, url


if __name__ == "__main__":
    main(sys.argv[1:])
