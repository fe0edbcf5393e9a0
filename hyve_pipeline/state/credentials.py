"""Profiles in the user's own AWS files, the only place where Hyve keeps a secret.

The files are found and read as the AWS tools do: the credentials file (``AWS_SHARED_CREDENTIALS_FILE``,
else ``~/.aws/credentials``) with sections ``[NAME]``, and the configuration file (``AWS_CONFIG_FILE``, else
``~/.aws/config``) with sections ``[profile NAME]`` and ``[default]``. No message contains a secret, so none
quotes the content of these files.
"""

import configparser
import io
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from hyve_pipeline.core.base.errors import ConfigurationError, naming_file
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.runtime.atomic_write import make_folder, replace_file
from hyve_pipeline.core.settings.mistakes import HOME_TABLE, Mistake
from hyve_pipeline.core.settings.model import Settings
from hyve_pipeline.core.settings.place_fields import is_profile_name
from hyve_pipeline.state.ini import put_options

# Session tokens belong to the keys they were issued with; with other keys every request would fail.
_SESSION_TOKENS = ("aws_session_token", "aws_security_token")

# Settings of a profile that take precedence over its keys in botocore: the keys would never be used.
_STRONGER_SOURCES = ("role_arn", "web_identity_token_file", "sso_session", "sso_start_url", "sso_account_id")


def credentials_file() -> Path:
    """The user's AWS credentials file, which need not exist."""
    return _aws_file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")


def config_file() -> Path:
    """The user's AWS configuration file, which need not exist."""
    return _aws_file("AWS_CONFIG_FILE", "~/.aws/config")


def profile_names() -> list[str]:
    """The profiles of the user's AWS files, in their order.

    Raises:
        ConfigurationError: one of the files can't be read.
    """
    names = list(_parsed(credentials_file()).sections())
    names += filter(None, map(_profile_of_section, _parsed(config_file()).sections()))
    return list(dict.fromkeys(names))


def profile_file(profile: str) -> Path | None:
    """The one of the user's AWS files that has a profile, the credentials file first; None if neither does.

    Raises:
        ConfigurationError: one of the files can't be read.
    """
    if _parsed(credentials_file()).has_section(profile):
        return credentials_file()
    names = map(_profile_of_section, _parsed(config_file()).sections())
    return config_file() if profile in names else None


def access_key_id(profile: str) -> str | None:
    """The access key id, the public half of the keys, that the credentials file has for a profile; None if none.

    Raises:
        ConfigurationError: the file can't be read.
    """
    return _parsed(credentials_file()).get(profile, "aws_access_key_id", fallback=None)


def check_profiles(settings: Settings, path: Path) -> None:
    """Check that the user's AWS files have every profile that the configuration names.

    Args:
        settings: the whole configuration.
        path: its file, for messages.

    Raises:
        ConfigurationError: one is unknown; the message names file, table and key.
    """
    sides = [
        (("sync", sync.name, side), place.profile)
        for sync in settings.sync.values()
        for side, place in (("source", sync.source), ("store", sync.store))
    ]
    for mistake in unknown_profiles([(HOME_TABLE, settings.home.profile), *sides]):
        raise ConfigurationError(f"{_shown(path)}: {mistake}")


def unknown_profiles(named: Iterable[tuple[tuple[str, ...], str | None]]) -> list[Mistake]:
    """The profiles that the user's AWS files do not have.

    Args:
        named: the path of each table of the configuration that may name a profile, and what it names.

    Raises:
        ConfigurationError: one of the files can't be read.
    """
    sides = [(table, profile) for table, profile in named if profile is not None]
    known = profile_names() if sides else []
    mistakes: list[Mistake] = []
    for table, profile in sides:
        if profile not in known:
            known_names = ", ".join(map(displayed, known)) or "none"
            problem = (
                f"no profile {profile!r} in {_shown(credentials_file())} or {_shown(config_file())} "
                f"(known: {known_names}{hint_for(profile, known)}); `hyve configure` adds one"
            )
            mistakes.append(Mistake(table, "profile", problem))
    return mistakes


def write_profile(profile: str, access_key_id: str, secret_access_key: str, region: str | None = None) -> Path:
    """Write an access key into the user's AWS credentials file.

    An existing profile gets the new keys and loses its session token, which belonged to the old ones.
    Everything else in the file stays byte for byte. Afterwards only its owner can read the file.

    Args:
        profile: the profile's name.
        access_key_id: the public half of the keys.
        secret_access_key: the secret half.
        region: the profile's region; None leaves what is there.

    Returns:
        The file.

    Raises:
        ConfigurationError: a value is not valid in such a file, or the file can't be read or written. It is
            unchanged then.
    """
    values = {"aws_access_key_id": access_key_id.strip(), "aws_secret_access_key": secret_access_key.strip()}
    if region is not None:
        values["region"] = region.strip()
    _check_values(profile, values)
    path = credentials_file()
    text = _read(path)
    before = _parse(path, text)
    _check_source(profile, before)
    new_text = put_options(text, profile, values, remove=_SESSION_TOKENS)
    _check_only_change(path, before, _parse(path, new_text), profile, values)
    with naming_file(path, "written"):
        make_folder(path.parent)
        mode = path.stat().st_mode & 0o600 if path.exists() else 0o600
        replace_file(path, new_text.encode("utf-8", "surrogateescape"), mode)
    return path


def _aws_file(variable: str, default: str) -> Path:
    # Unlike `Path.expanduser`, and like botocore, this keeps `~` where there is no home directory.
    return Path(os.path.expanduser(os.path.expandvars(os.environ.get(variable, default))))  # noqa: PTH111


def _shown(path: Path) -> str:
    return displayed(str(path))


def _read(path: Path) -> str:
    with naming_file(path, "read"):
        # botocore ignores files that are not regular, such as /dev/null.
        if not path.is_file():
            return ""
        # All other bytes of the file are kept, whatever their encoding.
        return path.read_bytes().decode("utf-8", "surrogateescape")


def _parsed(path: Path) -> configparser.RawConfigParser:
    return _parse(path, _read(path))


def _parse(path: Path, text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as error:
        # Only the line number: the error's own text quotes the line, which may contain the secret.
        line = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", [])), None)
    else:
        return parser
    place = f"line {line}: " if line else ""
    # Outside of the `except`, so that the error that quotes the line is not this one's context.
    raise ConfigurationError(f"{_shown(path)}: {place}is not a valid AWS file; correct it first")


def _profile_of_section(section: str) -> str | None:
    """The profile of a section of the configuration file, by botocore's rules."""
    if section == "default":
        return section
    try:
        parts = shlex.split(section)
    except ValueError:
        return None
    return parts[1] if len(parts) == 2 and section.startswith("profile") else None


def _check_values(profile: str, values: dict[str, str]) -> None:
    if not is_profile_name(profile):
        raise ConfigurationError(f"{profile!r} is not a valid name of an AWS profile")
    for name, value in values.items():
        if not value or not value.isascii() or not value.isprintable():
            raise ConfigurationError(f"{name} of profile {profile!r} must be one line of printable ASCII characters")


def _check_source(profile: str, credentials: configparser.RawConfigParser) -> None:
    config = _parsed(config_file())
    sections = [(credentials_file(), credentials, profile)] if credentials.has_section(profile) else []
    sections += [(config_file(), config, name) for name in config.sections() if _profile_of_section(name) == profile]
    for path, parser, section in sections:
        source = next((option for option in _STRONGER_SOURCES if parser.has_option(section, option)), None)
        if source is not None:
            raise ConfigurationError(
                f"{_shown(path)}: profile {profile!r} has {source}, which AWS tools use instead of keys; "
                "choose another profile for the keys, or use this one without keys"
            )


def _check_only_change(
    path: Path,
    before: configparser.RawConfigParser,
    after: configparser.RawConfigParser,
    profile: str,
    values: dict[str, str],
) -> None:
    """Check that the new text changes only this profile."""
    wanted = {section: dict(before.items(section)) for section in before.sections()}
    old = {name: value for name, value in wanted.get(profile, {}).items() if name not in _SESSION_TOKENS}
    wanted[profile] = old | values
    if {section: dict(after.items(section)) for section in after.sections()} != wanted:
        raise ConfigurationError(f"{_shown(path)}: profile {profile!r} can't be changed automatically; edit the file")
