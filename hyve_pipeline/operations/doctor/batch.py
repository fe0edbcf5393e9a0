"""Checks whether S3 Batch Operations can copy for a sync, as far as that can be known without a job."""

from collections.abc import Iterator

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.operations.batch.places import location_of, open_control
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.objects.versions import versioning_state
from hyve_pipeline.s3.wire.errors import naming_bucket

_WHOSE = "batch"


def examine_batch(sync: SyncContext) -> Iterator[Finding]:
    """Check that jobs can be asked for, that their place can be listed, and that the store keeps versions."""
    settings = sync.settings.batch
    if settings is None:
        return
    try:
        with open_control(sync, settings) as control:
            control.check_access()
        yield Finding("jobs", _WHOSE, Verdict.OK, f"jobs of account {settings.account_id} can be listed and described")
    except HyveError as error:
        yield failed("jobs", _WHOSE, error)
    place = location_of(sync.settings.store, settings)
    try:
        with sync.connect(place) as location:
            probe_bucket(location)
        yield Finding("job files", _WHOSE, Verdict.OK, f"{place.uri} can be listed")
    except HyveError as error:
        yield failed("job files", _WHOSE, error)
    try:
        with sync.connect(sync.settings.store) as store, naming_bucket(store.place):
            state = versioning_state(store)
        is_kept = state == "Enabled"
        detail = (
            "keeps versions" if is_kept else "keeps no versions, so that no job may copy into it: enable versioning"
        )
        verdict = Verdict.OK if is_kept else Verdict.WARN
        yield Finding("job versions", _WHOSE, verdict, f"{store.bucket} {detail}")
    except HyveError as error:
        yield failed("job versions", _WHOSE, error)
    yield Finding(
        "job role",
        _WHOSE,
        Verdict.UNTRIED,
        f"whether these credentials may pass {settings.role_arn} (iam:PassRole), and whether it trusts "
        "batchoperations.s3.amazonaws.com, shows only when a job is created: 'hyve iam-policy --side batch' prints its "
        "policy",
    )
