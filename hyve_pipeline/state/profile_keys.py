"""The public half of the keys of a profile in the user's AWS credentials file."""

import configparser

from hyve_pipeline.state.credentials import credentials_file, profile_names


def access_key_id(profile: str) -> str | None:
    """The access key id, the public half of the keys, that the credentials file has for a profile.

    Returns:
        None where the file has no such profile, or no key in it.

    Raises:
        ConfigurationError: one of the user's AWS files can't be read.
    """
    if profile not in profile_names():  # which also proves that the file can be parsed
        return None
    parser = configparser.RawConfigParser()
    path = credentials_file()
    if path.is_file():
        parser.read_string(path.read_bytes().decode("utf-8", "surrogateescape"))
    return parser.get(profile, "aws_access_key_id", fallback=None)
