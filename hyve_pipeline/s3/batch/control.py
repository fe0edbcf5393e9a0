"""The requests about jobs of S3 Batch Operations, which botocore's client ``s3control`` sends.

They are few and rare, and go to another service than S3 itself: of `s3.connection` only the credentials are used.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hyve_pipeline.core.base.errors import BucketError, HyveError
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.model.batch import GONE
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.batch import BatchSettings
from hyve_pipeline.core.settings.options import Options
from hyve_pipeline.core.settings.places import AWS, BucketSettings
from hyve_pipeline.s3.connection.session import Session
from hyve_pipeline.s3.objects.write_headers import has_canned_acl

# The folders of manifests and reports below the location.
MANIFESTS = "manifests/"
_REPORTS = "reports"

# CreateJob with such an answer may have created the job, and may succeed when it is sent again.
_TRANSIENT = frozenset(
    {"TooManyRequestsException", "InternalServiceException", "InternalError", "SlowDown", "ServiceUnavailable"}
)
_LEAST_REFUSED, _MOST_REFUSED = 400, 499


class JobRefusedError(HyveError):
    """S3 refuses to create a job, for good: there is none."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The answer to DescribeJob.

    Attributes:
        status: as S3 says it; `core.model.batch.GONE` if it does not know the job.
        succeeded, failed: objects so far.
        reason: why it failed, was suspended or cancelled; empty if S3 does not say.
    """

    status: str
    succeeded: int = 0
    failed: int = 0
    reason: str = ""


def report_prefix(location: BucketSettings) -> str:
    """The prefix of the reports of all jobs, as CreateJob takes it: without ``/`` at its end."""
    return f"{location.prefix}{_REPORTS}"


def job_parameters(
    settings: BatchSettings,
    options: Options,
    location: BucketSettings,
    *,
    store: str,
    target_prefix: str | None,
    storage_class: str,
    unmodified_since: datetime,
    manifest: str,
    manifest_etag: str,
    token: str,
    description: str,
) -> dict[str, Any]:
    """The parameters of CreateJob, as botocore takes them, all of them JSON.

    Args:
        settings: the settings of jobs.
        options: those of the plan.
        location: the place of manifest and report.
        store: the bucket of the store.
        target_prefix: what is put before each key with a ``/``; None leaves keys as they are.
        storage_class: the class of the copies.
        unmodified_since: objects that were written later are not copied.
        manifest: the whole key of the manifest.
        manifest_etag: its ETag.
        token: by which S3 knows a request that is sent again.
        description: for the list of jobs.
    """
    partition = settings.role_arn.split(":")[1]
    copies: dict[str, Any] = {
        "TargetResource": f"arn:{partition}:s3:::{store}",
        "MetadataDirective": "COPY",
        "StorageClass": storage_class,
        "UnModifiedSinceConstraint": unmodified_since.isoformat(),
    }
    if target_prefix is not None:
        copies["TargetKeyPrefix"] = target_prefix
    if has_canned_acl(options.acl):
        copies["CannedAccessControlList"] = options.acl
    if options.annotations == "exclude":
        copies["AnnotationDirective"] = "EXCLUDE"
    bucket = f"arn:{partition}:s3:::{location.bucket}"
    return {
        "AccountId": settings.account_id,
        "ConfirmationRequired": False,
        "Operation": {"S3PutObjectCopy": copies},
        "Report": {
            "Bucket": bucket,
            "Prefix": report_prefix(location),
            "Format": "Report_CSV_20180820",
            "Enabled": True,
            "ReportScope": "AllTasks",
        },
        "ClientRequestToken": token,
        "Manifest": {
            "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
            "Location": {"ObjectArn": f"{bucket}/{manifest}", "ETag": manifest_etag},
        },
        "Description": description,
        "Priority": settings.priority,
        "RoleArn": settings.role_arn,
    }


class JobControl(Closing):
    """Creates and describes jobs. Use it as a context manager.

    Args:
        settings: the settings of jobs.
        location: the place of manifests and reports, whose credentials are used.
        keys: the access keys of the place, where a Dagster resource has them.

    Raises:
        ConfigurationError: the credentials or the region can't be used.
    """

    def __init__(self, settings: BatchSettings, location: BucketSettings, keys: AccessKeys | None) -> None:
        self._account = settings.account_id
        self._session = Session(location, keys)
        region = settings.region or self._session.region
        self._client = self._session.service_client("s3control", region, settings.endpoint_url)
        if location.model_copy(update={"endpoint_url": settings.endpoint_url}).server not in (AWS, None):
            # Botocore puts the account before the name of every host; only AWS has hosts of such names.
            self._client.meta.events.register("before-sign.s3-control", self._without_account)
        self._where = f"S3 Batch Operations of account {self._account} in {region}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._session.close()

    def _without_account(self, request: Any, **_: Any) -> None:
        request.url = request.url.replace(f"//{self._account}.", "//", 1)

    def create(self, parameters: Mapping[str, Any]) -> str:
        """Create a job; if the same request came before, whose answer was lost, the job is that one.

        Args:
            parameters: see `job_parameters`.

        Returns:
            The job's id.

        Raises:
            JobRefusedError: S3 refuses it; there is no such job.
            BucketError: it is not known whether the job was created: ask again.
        """
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            return str(self._client.create_job(**parameters)["JobId"])
        except ParamValidationError as error:
            raise JobRefusedError(_in_one_line(error)) from error
        except ClientError as error:
            if _is_refused(error):
                raise JobRefusedError(_in_one_line(error)) from error
            raise self._failure("CreateJob", error) from error
        except Exception as error:
            raise self._failure("CreateJob", error) from error

    def describe(self, job_id: str, manifest: str) -> JobStatus:
        """How far a job came.

        Args:
            job_id: its id.
            manifest: the ARN of its manifest, as it was asked for.

        Raises:
            BucketError: S3 does not answer, or answers about another job.
        """
        from botocore.exceptions import ClientError

        try:
            job = self._client.describe_job(AccountId=self._account, JobId=job_id)["Job"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NotFoundException", "NoSuchJob"):
                return JobStatus(GONE, reason="S3 does not know it any more")
            raise self._failure(f"DescribeJob {job_id}", error) from error
        except Exception as error:
            raise self._failure(f"DescribeJob {job_id}", error) from error
        found = job.get("Manifest", {}).get("Location", {}).get("ObjectArn")
        if job.get("JobId") != job_id or found != manifest or not job.get("Status"):
            raise BucketError(
                f"{self._where}: the answer to DescribeJob is not about job {job_id} with the manifest "
                f"{displayed(manifest)}: check account_id and region of the table batch"
            )
        progress = job.get("ProgressSummary", {})
        reasons = [f"{each.get('FailureCode')}: {each.get('FailureReason')}" for each in job.get("FailureReasons", [])]
        said = [*reasons, job.get("SuspendedCause"), job.get("StatusUpdateReason")]
        return JobStatus(
            job["Status"],
            int(progress.get("NumberOfTasksSucceeded") or 0),
            int(progress.get("NumberOfTasksFailed") or 0),
            displayed("; ".join(text for text in said if text)),
        )

    def check_access(self) -> None:
        """Check that jobs can be listed and described.

        Raises:
            BucketError: S3 refuses it, or does not answer.
        """
        from botocore.exceptions import ClientError

        try:
            listed = self._client.list_jobs(AccountId=self._account, MaxResults=1).get("Jobs", [])
            # Of a job that does not exist, S3 says so only to those who may ask for it.
            job_id = listed[0]["JobId"] if listed else "00000000-0000-0000-0000-000000000000"
            self._client.describe_job(AccountId=self._account, JobId=job_id)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("NotFoundException", "NoSuchJob"):
                raise self._failure(error.operation_name, error) from error
        except Exception as error:
            raise self._failure("ListJobs", error) from error

    def _failure(self, operation: str, error: Exception) -> BucketError:
        return BucketError(f"{self._where}: {operation} failed: {_in_one_line(error)}")


def _is_refused(error: Any) -> bool:
    """Whether an answer says for good that no job is created."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _LEAST_REFUSED <= status <= _MOST_REFUSED and error.response.get("Error", {}).get("Code") not in _TRANSIENT


def _in_one_line(error: Exception) -> str:
    return displayed(" ".join(str(error).split()))
