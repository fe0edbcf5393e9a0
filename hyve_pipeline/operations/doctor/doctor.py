"""Checks whether a sync can work, before it runs: configuration, credentials, clock, permissions.

Nothing is changed, unless writing to the store is to be tried.
"""

import tempfile
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from hyve_pipeline.core.base.errors import BucketError, ConfigurationError, HyveError, error_of_system
from hyve_pipeline.core.model.copy_task import CopyRules, CopyTask
from hyve_pipeline.core.model.diff import ARCHIVED_CLASSES
from hyve_pipeline.core.model.findings import Finding, Verdict, failed
from hyve_pipeline.core.model.inventory import SIDES
from hyve_pipeline.core.model.plan import Transfer
from hyve_pipeline.core.settings.places import AWS, DEFAULT_ORIGIN, SETTINGS_ORIGIN, BucketSettings
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.operations.doctor.batch import examine_batch
from hyve_pipeline.operations.doctor.dagster_settings import examine_dagster
from hyve_pipeline.operations.doctor.histories import examine_histories
from hyve_pipeline.operations.doctor.parts import examine_parts
from hyve_pipeline.operations.doctor.queue import examine_queue
from hyve_pipeline.operations.doctor.reports import examine_reports
from hyve_pipeline.operations.doctor.store import (
    examine_source_versions,
    examine_uploads,
    examine_versions,
    try_writing,
)
from hyve_pipeline.operations.plan.transfer import as_reader, choose_transfer, have_same_credentials
from hyve_pipeline.operations.requests.copy_rules import copy_rules
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.pages import Page
from hyve_pipeline.s3.listing.probe import probe_bucket
from hyve_pipeline.s3.objects.annotations import AnnotationsOf, list_annotations, read_annotation
from hyve_pipeline.s3.objects.get import read_bytes
from hyve_pipeline.s3.objects.object_lock import prove_locks_readable
from hyve_pipeline.s3.objects.properties import read_properties
from hyve_pipeline.s3.objects.restore import Restore, lacks_restore, restore_object
from hyve_pipeline.s3.objects.tags import read_tags
from hyve_pipeline.s3.wire.errors import CustomerKeyError, ObjectChangedError, S3RequestError, bucket_error
from hyve_pipeline.s3.wire.messages import Response
from hyve_pipeline.state.storage.bucket_storage import BucketStorage

# Over this, S3 refuses requests as too old or too new.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)
_MOST_SKEW = timedelta(minutes=15)

# Dates in responses have whole seconds, and a response takes a moment.
_USUAL_SKEW = timedelta(minutes=1)


# For so long a check tries again. It tells what is the case now, and each would wait for a server that is ill.
_PATIENCE_SECONDS = 5


def examine(
    home: Home, sync_name: str | None, *, is_write_allowed: bool = False, patience_seconds: int = _PATIENCE_SECONDS
) -> Iterator[Finding]:
    """Check a sync, one check after the other; checks that depend on a failed one are left out.

    Args:
        home: the home.
        sync_name: which sync; None takes the only one.
        is_write_allowed: also write a new object to the store and delete it.
        patience_seconds: the most that a failed request is tried again, unless the option is less.
    """
    try:
        sync = _with_patience(SyncContext.choose(home, sync_name), patience_seconds)
    except HyveError as error:
        yield failed("configuration", "home", error)
        return
    yield Finding("configuration", "home", Verdict.OK, f"sync {sync.name} in {home.settings_file}")
    yield _examine_state(sync)
    yield from examine_dagster(sync)
    yield _examine_servers(sync)
    with ExitStack() as stack:
        source = yield from _examine_place(sync, "source", sync.settings.source, stack)
        store = yield from _examine_place(sync, "store", sync.settings.store, stack)
        try:
            rules = CopyRules()
            if source is not None:
                other = None if store is None else store.connection
                rules = copy_rules(sync.settings.options, source.connection, other)
        except BucketError as error:
            yield failed("locks", "source and store", error)
            return
        if source is not None:
            yield from _examine_reading("source", source.connection, source.first, rules)
            if sync.settings.options.versions == "all":
                yield examine_histories("source", source.connection)
            else:
                yield examine_source_versions(source.connection)
            if sync.settings.options.restore is not None:
                yield _examine_restore(source.connection)
        transfer = Transfer()
        if source is not None and store is not None:
            transfer = yield from _examine_transfer(sync, source, rules, stack)
            is_on_aws = source.connection.place.server == store.connection.place.server == AWS
            if transfer.by == "stream" and rules.keeps_parts and is_on_aws:
                yield from examine_parts(source.connection, source.first)
        if store is not None:
            if sync.settings.options.versions == "all":
                yield examine_histories("store", store.connection)
            else:
                yield examine_versions(store.connection, has_trash=sync.settings.trash is not None)
            yield examine_uploads(store.connection)
            first = None if source is None else source.first
            if is_write_allowed:
                reader = None if source is None else source.connection
                classes = () if source is None else source.storage_classes
                yield from try_writing(reader, store.connection, first, transfer, rules, classes)
            else:
                detail = "--write puts an object of its own into the store and deletes it again"
                yield Finding("writing", "store", Verdict.UNTRIED, detail)
        for name, reached in (("source", source), ("store", store)):
            if reached is not None:
                yield from _examine_lacks(name, reached.connection)
        if sync.settings.trash is not None:
            yield from _examine_place(sync, "trash", sync.settings.trash, stack)
    for side in SIDES:
        yield from examine_reports(sync, side)
    yield from examine_batch(sync)
    yield from examine_queue(sync)


def _with_patience(sync: SyncContext, seconds: int) -> SyncContext:
    options = sync.settings.options
    return sync.with_options(options.model_copy(update={"patience_seconds": min(seconds, options.patience_seconds)}))


def _examine_state(sync: SyncContext) -> Finding:
    """Check that the state can be written, and that it belongs to the buckets of the sync."""
    storage = sync.home.storage
    try:
        if isinstance(storage, BucketStorage):
            storage.check_conditions()
            storage.names("")
        sync.check_pair()
    except HyveError as error:
        return failed("state", "home", error)
    if isinstance(storage, BucketStorage):
        detail = f"{storage.uri} can be listed and written, and its server keeps to If-None-Match"
        return Finding("state", "home", Verdict.OK, detail)
    return _examine_state_folder(sync.home)


def _examine_state_folder(home: Home) -> Finding:
    folder = next(path for path in (home.path, *home.path.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))  # on a full disk, files without content can still be made
            file.flush()
            return Finding("state", "home", Verdict.OK, f"{home.path} can be written")
    except OSError as error:
        code = error_of_system(error).exit_code
        is_wrong_path = code == ConfigurationError.exit_code
        way = "make it yours, or choose another home by --home" if is_wrong_path else "free space there"
        return Finding("state", "home", Verdict.FAIL, f"{folder}: can't be written: {error.strerror}: {way}", code)


def _examine_servers(sync: SyncContext) -> Finding:
    try:
        places = {name: sync.located(name) for name in SIDES}
    except ConfigurationError as error:
        return failed("servers", "home", error)
    source, store = places["source"], places["store"]
    if source.server == store.server:
        servers = dict.fromkeys(place.shown_server for place in places.values())
        detail = f"source and store are on one server, {' and '.join(servers)}"
        return Finding("servers", "home", Verdict.OK, detail)
    detail = f"source and store are on two servers, {source.shown_server} and {store.shown_server}"
    if sync.settings.options.transfer == "server":
        detail += ', so that no server can copy: set transfer to "auto" or "stream"'
        return Finding("servers", "home", Verdict.FAIL, detail, ConfigurationError.exit_code)
    return Finding("servers", "home", Verdict.OK, detail)


def _examine_transfer(
    sync: SyncContext, source: "_Reached", rules: CopyRules, stack: ExitStack
) -> Generator[Finding, None, Transfer]:
    """Choose the transfer as a dryrun would, and say which permissions a server-side copy lacks."""
    try:
        transfer = choose_transfer(sync, None if source.first is None else source.first.source_key)
    except HyveError as error:
        yield failed("copying", "store", error)
        return Transfer()
    place, store = source.connection.place, sync.located("store")
    reader = as_reader(place, store)
    if transfer.by == "server":
        yield Finding("copying", "store", Verdict.OK, transfer.described)
        if not have_same_credentials(place, store):
            # The server copies with the store's credentials, so they must be able to read the tags too.
            connection = stack.enter_context(sync.connect(reader))
            yield from _examine_reading("source, with the store's credentials", connection, source.first, rules)
        return transfer
    if place.server != store.server or sync.settings.options.transfer == "stream":
        yield Finding("copying", "store", Verdict.OK, transfer.described)
        return transfer
    who = store.signer if store.profile or store.role_arn else "the store's credentials"
    detail = (
        f"{transfer.described}; for the server to copy, which is faster and costs no traffic, allow {who} to "
        f"s3:GetObject and s3:GetObjectTagging on {place.uri}*, in its own policy and in the policy of the bucket"
    )
    yield Finding("copying", "store", Verdict.WARN, detail)
    return transfer


@dataclass(frozen=True)
class _Reached:
    """A bucket that could be listed, its first object if it has one, and the storage classes of the first page."""

    connection: Connection
    first: CopyTask | None
    storage_classes: tuple[str, ...] = ()


def _examine_place(
    sync: SyncContext, name: str, place: BucketSettings, stack: ExitStack
) -> Generator[Finding, None, _Reached | None]:
    """Check what every bucket requires, and return its connection if it can be listed."""
    try:
        connection = stack.enter_context(sync.connect(place))
    except ConfigurationError as error:
        yield failed("credentials", name, error)
        return None
    who = place.signer if place.signer == place.caller or place.anonymous else f"{place.signer}, by {place.caller}"
    yield Finding("credentials", name, Verdict.OK, f"{who}, region {connection.endpoint.region}")
    yield Finding("endpoint", name, Verdict.OK, _shown_endpoint(connection))
    asked = datetime.now(UTC)
    try:
        probe = probe_bucket(connection)
    except BucketError as error:
        yield failed("listing", name, error)
        return None
    page = probe.answer.page
    detail = f"{place.uri} can be listed" + ("" if len(page) else ", and is empty")
    if connection.listing_dialect.by_marker:
        detail += "; the server does not know ListObjectsV2, and is listed by ListObjects and its marker"
    yield Finding("listing", name, Verdict.OK, detail)
    yield _examine_clock(name, probe.response, asked)
    # Those that can't be read now are not copied.
    classes = tuple(sorted({name for name in page.storage_classes if name not in ARCHIVED_CLASSES}))
    return _Reached(connection, _first_object(page), classes)


def _shown_endpoint(connection: Connection) -> str:
    """Where requests go, and which setting decides it."""
    origins = {
        SETTINGS_ORIGIN: "named by endpoint_url in the settings",
        DEFAULT_ORIGIN: "nothing names another server",
    }
    origin = connection.place.endpoint_origin or DEFAULT_ORIGIN
    endpoint = connection.endpoint
    return f"requests go to {endpoint.scheme}://{endpoint.authority} ({origins.get(origin, f'named by {origin}')})"


def _first_object(page: Page) -> CopyTask | None:
    if not len(page):
        return None
    key, storage_class = page.keys[0], page.storage_classes[0]
    return CopyTask(key, key, page.sizes[0], page.etags[0], storage_class)


def _examine_clock(name: str, answer: Response, asked: datetime) -> Finding:
    answered = datetime.now(UTC)
    try:
        date = parsedate_to_datetime(answer.header("date") or "")
        skew = max(date - answered, asked - date, timedelta(0))
    except (TypeError, ValueError, OverflowError):
        return Finding("clock", name, Verdict.OK, "the server sends no time to compare with")
    detail = f"this machine's clock and the server's differ by {skew.total_seconds():.0f} seconds"
    if skew >= _MOST_SKEW:
        return Finding("clock", name, Verdict.FAIL, f"{detail}: set the clock, S3 refuses over 15 minutes", 1)
    if skew > _USUAL_SKEW:
        return Finding("clock", name, Verdict.WARN, f"{detail}: set the clock, S3 refuses over 15 minutes")
    return Finding("clock", name, Verdict.OK, "this machine's clock and the server's agree")


def _examine_reading(whose: str, connection: Connection, first: CopyTask | None, rules: CopyRules) -> Iterator[Finding]:
    """Check whether an object of the source and its tags can be read, with the requests of a sync."""
    if first is None:
        yield Finding("reading", whose, Verdict.UNTRIED, "there is no object to try it with")
        return
    shown = f"{connection.place.bucket} key {first.source_key!r}"
    if first.storage_class in ARCHIVED_CLASSES:
        yield Finding(
            "reading", whose, Verdict.OK, f"{shown} is archived as {first.storage_class}: skipped until restored"
        )
        return
    try:
        read_properties(connection, first.source_key, first.source_etag).result()
        if first.size:
            read_bytes(connection, first.source_key, first.source_etag, 0, 1).result()
    except ObjectChangedError:
        yield Finding("reading", whose, Verdict.OK, f"{shown} was changed or deleted just now")
        return
    except CustomerKeyError as error:
        yield Finding("reading", whose, Verdict.OK, f"{shown} is skipped: {error.message}")
        return
    except S3RequestError as error:
        yield failed("reading", whose, HyveError(str(bucket_error(error, connection.place))))
        return
    yield Finding("reading", whose, Verdict.OK, f"{shown} can be read")
    yield from _examine_tags(whose, connection, first, rules)
    yield from _examine_annotations(whose, connection, first, rules)
    yield from _examine_locks(whose, connection, first, rules)


def _examine_tags(whose: str, connection: Connection, first: CopyTask, rules: CopyRules) -> Iterator[Finding]:
    if rules.tags == "skip":
        yield Finding("tags", whose, Verdict.OK, 'copies get no tags, as object_tags = "skip" says')
        return
    try:
        tags = read_tags(connection, first.source_key).result()
    except S3RequestError as error:
        yield failed("tags", whose, HyveError(str(bucket_error(error, connection.place))))
        return
    if tags is not None:  # else the server lacks them, which is reported at the end
        yield Finding("tags", whose, Verdict.OK, "a copy can keep an object's tags")


def _examine_restore(connection: Connection) -> Finding:
    """Check whether restores may be asked for, by the name of an object that does not exist."""
    key = f"{connection.place.prefix}hyve-doctor-{uuid.uuid4().hex}"
    try:
        outcome = restore_object(connection, key, 1, "Bulk").result()
    except S3RequestError as error:
        if lacks_restore(error):
            detail = f"{connection.place.uri}: the server can't restore archived objects: leave out the option restore"
            return Finding("restore", "source", Verdict.WARN, detail)
        return failed("restore", "source", HyveError(f"s3:RestoreObject: {bucket_error(error, connection.place)}"))
    if outcome is not Restore.GONE:
        detail = f"{connection.place.uri}: the server does not answer RestoreObject as S3 does ({outcome})"
        return Finding("restore", "source", Verdict.WARN, detail)
    return Finding("restore", "source", Verdict.OK, "restores of archived objects may be asked for")


def _examine_annotations(whose: str, connection: Connection, first: CopyTask, rules: CopyRules) -> Iterator[Finding]:
    if rules.annotations == "exclude":
        detail = 'copies get no annotations, as annotations = "exclude" says'
        yield Finding("annotations", whose, Verdict.OK, detail)
        return
    try:
        entries = list_annotations(connection, first.source_key).result()
        if entries:
            read_annotation(AnnotationsOf(connection, first.source_key, entries), entries[0]).result()
    except S3RequestError as error:
        yield failed("annotations", whose, HyveError(str(bucket_error(error, connection.place))))
        return
    # Where the source's server has none, there are none to copy.
    if entries is not None:
        yield Finding("annotations", whose, Verdict.OK, "a copy can keep an object's annotations")


def _examine_locks(whose: str, connection: Connection, first: CopyTask, rules: CopyRules) -> Iterator[Finding]:
    if not rules.keeps_locks:
        return
    try:
        prove_locks_readable(connection, first.source_key).result()
    except S3RequestError as error:
        yield failed("locks", whose, HyveError(str(bucket_error(error, connection.place))))
        return
    yield Finding("locks", whose, Verdict.OK, "a copy can keep an object's retention, legal hold and event hold")


def _examine_lacks(name: str, connection: Connection) -> Iterator[Finding]:
    """The optional features that the bucket's server turned out to lack, and the consequences."""
    for lack in connection.abilities.met:
        if not lack.is_minor:
            yield Finding("server", name, Verdict.WARN, lack.described)
