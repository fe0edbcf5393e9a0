"""``hyve configure``: ask for keys, region and buckets, test them, and save them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyve_pipeline.cli.first_sign import with_sign
from hyve_pipeline.cli.options import home_option, json_option
from hyve_pipeline.cli.questions import Questions
from hyve_pipeline.cli.typed import naming_commands

if TYPE_CHECKING:
    from hyve_pipeline.core.settings.model import SyncSettings
    from hyve_pipeline.operations.answers import Answers
    from hyve_pipeline.operations.configure import Draft, Keys


# The settings of this command; a place may have others, which are kept.
_SHOWN = {"bucket", "prefix", "profile", "region", "endpoint_url"}


@click.command()
@home_option
@json_option
@click.option(
    "--sync",
    "sync_name",
    metavar="NAME",
    envvar="HYVE_SYNC",
    help="Which sync to set up: a new one or one to change. Without it the only one there is, or 'images'.",
)
@click.option("--in-bucket", metavar="BUCKET", help="The source, also as s3://bucket/prefix; it is never written.")
@click.option("--out-bucket", metavar="BUCKET", help="The store, also as s3://bucket/prefix: what becomes a copy.")
@click.option("--in-prefix", metavar="PREFIX", help="Only what is below this prefix of the source.")
@click.option("--out-prefix", metavar="PREFIX", help="Copy to below this prefix of the store.")
@click.option("--region", metavar="REGION", help="The region of both buckets.")
@click.option(
    "--endpoint-url",
    metavar="URL",
    help="The S3-compatible server of both buckets; without one, that of the AWS profile or environment, else AWS.",
)
@click.option(
    "--profile",
    metavar="PROFILE",
    help="The AWS profile of both buckets. One that exists is used as it is; for a new one, you are asked for "
    "keys. '' goes back to the AWS default credentials.",
)
@click.option("--store-profile", metavar="PROFILE", help="The AWS profile of the store, where it is another one.")
@click.option("--store-region", metavar="REGION", help="The region of the store, where it is another one.")
@click.option("--store-endpoint-url", metavar="URL", help="The server of the store, where it is another one.")
@click.option("--replace-keys", is_flag=True, help="Ask for keys, and put them in place of those the profile has.")
@click.option(
    "--no-input",
    is_flag=True,
    envvar="HYVE_NO_INPUT",
    help="Never ask: use the options, and what the configuration has.",
)
@naming_commands
@with_sign
def configure(
    home: Path,
    as_json: bool,
    sync_name: str | None,
    replace_keys: bool,
    no_input: bool,
    **answers: str | None,
) -> int:
    """Ask for access key id, secret key, region, in bucket and out bucket, try them, and keep them.

    At a terminal each answer is tried when it is given, and asked for again where it can't be used; the endpoint is
    asked for too, and keys, region and endpoint of the store where they are others. Both buckets are listed before
    anything is written; nothing is written to a bucket. The keys go into a profile of your AWS credentials file ('hyve'
    unless --profile names one), the rest into hyve.toml. No access key id: the profile, or the AWS default
    credentials, are used as they are. An empty answer keeps what is in brackets, an empty option ('') removes what was
    set.

    Answers may also be piped in, one a line, in this order: access key id, secret key, region, in bucket, out
    bucket. There is no question for what an option answers.
    """
    if replace_keys and no_input:
        raise click.UsageError("--replace-keys asks for keys, which --no-input forbids")
    from hyve_pipeline.operations.answers import Answers
    from hyve_pipeline.operations.configure import Draft
    from hyve_pipeline.operations.context import Home

    draft = Draft(Home(home), sync_name)
    given = Answers(**answers).checked()
    questions = Questions()
    keys: tuple[Keys, ...] = ()
    if no_input:
        _check_complete(draft, given)
        sync = draft.tried(draft.merged(given))
    elif questions.is_terminal:
        from hyve_pipeline.cli.configure_dialog import Dialog

        dialog = Dialog(draft, given, questions, replace_keys=replace_keys)
        sync, keys = dialog.run(), dialog.all_keys
    else:
        piped, typed = _piped(draft, given, questions, replace_keys=replace_keys)
        keys = () if typed is None else (typed,)
        sync = draft.tried(draft.merged(piped), *keys)
    credentials = draft.save(sync, *keys)
    if as_json:
        _print_document(draft, sync)
    else:
        _describe(draft, sync, keys, credentials)
    return 0


def _check_complete(draft: "Draft", given: "Answers") -> None:
    if draft.places:
        return
    for option, value in (("--in-bucket", given.in_bucket), ("--out-bucket", given.out_bucket)):
        if not value:
            raise click.UsageError(f"{option} is needed with --no-input, as sync {draft.name!r} is a new one")


def _piped(
    draft: "Draft", given: "Answers", questions: Questions, *, replace_keys: bool
) -> tuple["Answers", "Keys | None"]:
    """All answers: those given, and those that come from a pipe, in their fixed order."""
    from dataclasses import replace

    keys = _asked_keys(draft, given.profile, questions, replace_keys=replace_keys)
    answers = given if keys is None else replace(given, profile=keys.profile)
    source, store = draft.places or (None, None)
    if answers.region is None:
        answers = replace(answers, region=_asked_region(draft, questions, has_keys=keys is not None))
    if answers.in_bucket is None:
        bucket = questions.ask(
            "In bucket (the source)", option="--in-bucket", default=source.bucket if source else None
        )
        answers = replace(answers, in_bucket=bucket)
    if answers.out_bucket is None:
        bucket = questions.ask("Out bucket (the store)", option="--out-bucket", default=store.bucket if store else None)
        answers = replace(answers, out_bucket=bucket)
    return answers, keys


def _asked_keys(draft: "Draft", profile: str | None, questions: Questions, *, replace_keys: bool) -> "Keys | None":
    """The entered keys; None if the credentials are used as they are."""
    from hyve_pipeline.core.base.suggestions import closest
    from hyve_pipeline.operations.configure import DEFAULT_PROFILE, Keys, profile_names

    known = profile_names()
    if profile == "" or (profile in known and not replace_keys):
        return None
    wanted = profile or draft.profile
    option = "--profile NAME, or --no-input for the credentials as they are,"
    if replace_keys or (wanted is not None and wanted not in known):
        if wanted is not None and wanted not in known:
            meant = closest(wanted, known)
            hint = f" (did you mean {meant}?)" if meant else ""
            questions.note(f"There is no AWS profile {wanted!r} yet{hint}: it gets the keys that you give now.")
        access = questions.ask("AWS access key id", option=option)
    else:
        keep = " and ".join(f"profile {name!r}" if name else "the AWS default credentials" for name in draft.profiles)
        access = questions.ask_or_keep("AWS access key id", option=option, keep=keep)
    if access is None:
        return None
    keys = Keys(wanted or DEFAULT_PROFILE, access, questions.ask_hidden("AWS secret access key"))
    if keys.would_replace_others and not replace_keys:
        questions.confirm(
            f"AWS profile {keys.profile!r} has other keys. Replace them?",
            otherwise=f"AWS profile {keys.profile!r} has other keys, which were left as they are: "
            "name another profile by --profile, or replace them by --replace-keys",
        )
    return keys


def _asked_region(draft: "Draft", questions: Questions, *, has_keys: bool) -> str | None:
    """The region of both buckets; None keeps what each of them has."""
    regions = dict.fromkeys(place.region for place in draft.places)
    if any(regions):
        keep = " and ".join(region or "none" for region in regions)
        return questions.ask_or_keep("Region", option="--region", keep=keep)
    if not has_keys:
        # A user with credentials of their own mostly has a region configured there too.
        return questions.ask_or_keep("Region", option="--region", keep="as AWS is configured")
    default = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return questions.ask("Region", option="--region", default=default)


def _print_document(draft: "Draft", sync: "SyncSettings") -> None:
    from hyve_pipeline.cli.output import print_json

    profiles = {sync.source.profile, sync.store.profile}
    print_json(
        {
            "sync": sync.name,
            "file": str(draft.home.settings_file),
            "profile": profiles.pop() if len(profiles) == 1 else None,
            "source": sync.source.model_dump(include=_SHOWN),
            "store": sync.store.model_dump(include=_SHOWN),
        }
    )


def _describe(draft: "Draft", sync: "SyncSettings", keys: "tuple[Keys, ...]", credentials: Path | None) -> None:
    from hyve_pipeline.cli.output import say
    from hyve_pipeline.cli.typed import typed

    say(f"sync {sync.name}: {sync.source.uri} to {sync.store.uri}")
    say("  both buckets were listed; whether the store can be written is not tried here")
    if credentials is not None:
        profiles = " and ".join(dict.fromkeys(f"profile {each.profile!r}" for each in keys))
        say(f"  keys: {profiles} in {credentials}")
    say(f"  configuration: {draft.home.settings_file}")
    say(f"next: '{typed('dryrun')}' compares the two and changes nothing")
