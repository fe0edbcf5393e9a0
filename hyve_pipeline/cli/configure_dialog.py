"""The questions of ``hyve configure`` at a terminal: each answer is tried as soon as it can be, and asked for again."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hyve_pipeline.cli.questions import Questions
from hyve_pipeline.core.base.errors import BucketError, ConfigurationError
from hyve_pipeline.core.model.inventory import Side
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.answers import Answers, check_answer
from hyve_pipeline.operations.configure import (
    DEFAULT_PROFILE,
    DEFAULT_STORE_PROFILE,
    Draft,
    Keys,
    check_credentials,
    check_endpoint,
    check_printable,
    faulty_answer,
    profile_names,
)

if TYPE_CHECKING:
    from hyve_pipeline.core.settings.model import SyncSettings

_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
# How a bucket is reached.
_WAY = ("profile", "region", "endpoint_url")

T = TypeVar("T")

_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


class Dialog:
    """Asks for what no option has answered.

    Attributes:
        keys: the entered keys, by side; without an entry, the profile or the default credentials are used as they are.
        answers: all answers so far.
    """

    def __init__(self, draft: Draft, given: Answers, questions: Questions, *, replace_keys: bool) -> None:
        self._draft = draft
        self._given = given
        self._questions = questions
        self._replaces_keys = replace_keys
        self.answers = given
        self.keys: dict[Side, Keys] = {}

    @property
    def all_keys(self) -> tuple[Keys, ...]:
        """The entered keys."""
        return tuple(self.keys.values())

    def run(self) -> "SyncSettings":
        """Ask everything.

        Returns:
            The sync, both of whose buckets were listed.

        Raises:
            HyveError: what an option says can't be used.
        """
        self._ask_way("source")
        self._ask_bucket("source", lambda: self._draft.try_source(self.answers, *self.all_keys))
        if self._has_own_way():
            self._ask_way("store")
        return self._ask_bucket("store", lambda: self._draft.tried(self._draft.merged(self.answers), *self.all_keys))

    def _current(self, side: Side) -> BucketSettings | None:
        """The side as the configuration has it."""
        places = self._draft.places
        return (places[0] if side == "source" else places[1]) if places else None

    def _name(self, side: Side, setting: str) -> str:
        """The name of an answer about one side."""
        if setting == "bucket":
            return "in_bucket" if side == "source" else "out_bucket"
        return setting if side == "source" else f"store_{setting}"

    def _given_for(self, side: Side, setting: str) -> str | None:
        """What an option says about one side; one for both sides counts for the store too."""
        own = getattr(self._given, self._name(side, setting))
        return getattr(self._given, setting) if own is None and setting != "bucket" else own

    def _set(self, side: Side, setting: str, value: str | None) -> None:
        self.answers = replace(self.answers, **{self._name(side, setting): value})

    def _has_own_way(self) -> bool:
        """Whether the store has other credentials, another region or another server than the source."""
        if self._given.has_own_store:
            return True
        source, store = self._current("source"), self._current("store")
        differs = source is not None and store is not None and _way(source) != _way(store)
        question = "Is the store reached in the same way (keys, region, endpoint)?"
        if self._questions.ask_whether(question, default=not differs):
            if differs:
                place = self._draft.source_place(self.answers)
                for setting, value in zip(_WAY, _way(place), strict=True):
                    self._set("store", setting, value or "")
            return False
        return True

    def _ask_way(self, side: Side) -> None:
        self._ask_keys(side)
        self._ask_region(side)
        self._ask_endpoint(side)

    # Keys

    def _ask_keys(self, side: Side, *, again: bool = False) -> None:
        """Ask for keys, unless an option names a profile that has some."""
        profile = self._given_for(side, "profile")
        known = profile_names()
        if profile == "" or (profile in known and not self._replaces_keys and not again):
            return
        current = self._current(side)
        wanted = profile or (current.profile if current is not None else None)
        default = DEFAULT_PROFILE if side == "source" else DEFAULT_STORE_PROFILE
        option = "--profile" if side == "source" else "--store-profile"
        question = "AWS access key id" if side == "source" else "AWS access key id for the store"
        if self._replaces_keys or again or (wanted is not None and wanted not in known):
            access: str | None = self._questions.ask(question, option=option, check=check_printable)
        else:
            keep = f"profile {wanted!r}" if wanted else "the AWS default credentials"
            access = self._questions.ask_or_keep(
                question, option=option, keep=keep, check=lambda answer: self._check_keys(side, answer)
            )
        if access is None:
            if side == "store":
                self._set("store", "profile", wanted or "")
            return
        secret = self._questions.ask_hidden(question.replace("access key id", "secret access key"), check_printable)
        keys = Keys(wanted or default, access, secret)
        if keys.would_replace_others and not self._replaces_keys and not self._may_replace(keys):
            new = self._questions.ask("Name of a new AWS profile for these keys", option=option, check=_check_new)
            keys = Keys(new, access, secret)
        self.keys[side] = keys
        self._set(side, "profile", keys.profile)

    def _check_keys(self, side: Side, answer: str) -> None:
        if answer:
            check_printable(answer)
            return
        current = self._current(side)
        if current is None:
            current = BucketSettings(bucket="to-be-named", endpoint_url="http://127.0.0.1")
        try:
            check_credentials(current)
        except ConfigurationError as error:
            reason = str(error).removeprefix(f"{current.uri}: ").partition(": run `hyve configure`")[0]
            raise ConfigurationError(f"{reason}; give an access key id") from None

    def _may_replace(self, keys: Keys) -> bool:
        question = f"AWS profile {keys.profile!r} has other keys. Replace them?"
        return self._questions.ask_whether(question, default=False)

    # Region and endpoint

    def _ask_region(self, side: Side, *, again: bool = False) -> None:
        if self._given_for(side, "region") is not None and not again:
            return
        current = self._current(side)
        option = f"--{self._name(side, 'region').replace('_', '-')}"
        question = "Region" if side == "source" else "Region of the store"

        def check(answer: str) -> None:
            check_answer(self._name(side, "region"), answer)

        if current is not None and current.region:
            region = self._questions.ask_or_keep(question, option=option, keep=current.region, check=check)
        elif side not in self.keys and not again:
            # A user with credentials of their own mostly has a region configured there too.
            region = self._questions.ask_or_keep(question, option=option, keep="as AWS is configured", check=check)
        else:
            default = next(filter(None, map(os.environ.get, _REGION_VARIABLES)), "us-east-1")
            region = self._questions.ask(question, option=option, default=default, check=check)
        if region is not None or side == "store":
            self._set(side, "region", region or (current.region if current is not None else None) or "")

    def _ask_endpoint(self, side: Side, *, again: bool = False) -> None:
        if self._given_for(side, "endpoint_url") is not None and not again:
            return
        current = self._current(side)
        of_environment = next(filter(None, map(os.environ.get, _ENDPOINT_VARIABLES)), None)
        keep = (current.endpoint_url if current is not None else None) or of_environment or "AWS"
        name = self._name(side, "endpoint_url")

        def check(answer: str) -> None:
            check_answer(name, answer)
            if answer:
                check_endpoint(answer)

        option = f"--{name.replace('_', '-')}"
        question = "Endpoint URL" if side == "source" else "Endpoint URL of the store"
        endpoint_url = self._questions.ask_or_keep(question, option=option, keep=keep, check=check)
        if endpoint_url is not None or side == "store":
            kept = current.endpoint_url if current is not None else None
            self._set(side, "endpoint_url", endpoint_url or kept or "")

    # Buckets

    def _ask_bucket(self, side: Side, listed: Callable[[], T]) -> T:
        """Ask for a bucket until it can be listed; for keys, region or endpoint again where those are at fault."""
        name = self._name(side, "bucket")
        is_asked = getattr(self._given, name) is None
        asks_bucket = is_asked
        while True:
            if asks_bucket:
                self._set(side, "bucket", self._asked_bucket(side, name))
            try:
                return listed()
            except (BucketError, ConfigurationError) as error:
                fault = faulty_answer(error)
                if fault == "endpoint_url" and not self.answers.of(side)["endpoint_url"]:
                    fault = "region"  # the address of AWS follows from the region
                if not (is_asked if fault == "bucket" else self._can_ask(side, fault)):
                    raise
                self._questions.note(f"  {error}")
            asks_bucket = fault == "bucket"
            if fault == "keys":
                self._ask_keys(side, again=True)
            elif fault == "region":
                self._ask_region(side, again=True)
            elif fault == "endpoint_url":
                self._ask_endpoint(side, again=True)

    def _can_ask(self, side: Side, fault: str) -> bool:
        """Whether no option has said what is at fault."""
        setting = "profile" if fault == "keys" else fault
        return self._given_for(side, setting) is None or (fault == "keys" and bool(self.keys))

    def _asked_bucket(self, side: Side, name: str) -> str:
        current = self._current(side)
        question = "In bucket (the source)" if side == "source" else "Out bucket (the store)"
        return self._questions.ask(
            f"{question}, or s3://bucket/prefix",
            option=f"--{name.replace('_', '-')}",
            default=current.bucket if current is not None else None,
            check=lambda answer: check_answer(name, answer),
        )


def _way(place: BucketSettings) -> tuple[str | None, ...]:
    return tuple(getattr(place, setting) for setting in _WAY)


def _check_new(answer: str) -> None:
    check_answer("profile", answer)
    if answer in profile_names():
        raise ConfigurationError(f"there is an AWS profile {answer!r} already")
