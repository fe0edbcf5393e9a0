import configparser
import io
import os
import stat
import traceback
from pathlib import Path

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.model import Settings, SyncSettings
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.state.credentials import check_profiles, profile_names, write_profile
from hyve_pipeline.state.ini import put_options

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY"

FOREIGN = b"""# made by hand \xff
[default]
aws_access_key_id=AKIADEFAULT
aws_secret_access_key: other/secret=
; end

[hyve]
# old keys
region = eu-central-1
aws_access_key_id=AKIAOLD
AWS_Session_Token =
    first part
    second part
aws_secret_access_key = old

s3 =
  max_concurrent_requests = 20

[last]
aws_access_key_id = AKIALAST"""

FOREIGN_CHANGED = b"""# made by hand \xff
[default]
aws_access_key_id=AKIADEFAULT
aws_secret_access_key: other/secret=
; end

[hyve]
# old keys
region = eu-central-1
aws_access_key_id=AKIANEW
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCY

s3 =
  max_concurrent_requests = 20

[last]
aws_access_key_id = AKIALAST"""


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's AWS folder, which does not exist yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE", raising=False)
    monkeypatch.delenv("AWS_CONFIG_FILE", raising=False)
    return tmp_path / ".aws"


def with_file(folder: Path, name: str, content: bytes | str, mode: int = 0o600) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_profile_creates_a_private_file_and_folder(aws: Path) -> None:
    old_umask = os.umask(0)
    try:
        path = write_profile("hyve", "AKIANEW", SECRET, "eu-west-1")
    finally:
        os.umask(old_umask)
    assert path == aws / "credentials"
    assert path.read_text() == (
        f"[hyve]\naws_access_key_id = AKIANEW\naws_secret_access_key = {SECRET}\nregion = eu-west-1\n"
    )
    assert (mode_of(path), mode_of(aws)) == (0o600, 0o700)
    assert list(aws.iterdir()) == [path]


def test_botocore_finds_the_keys_and_the_region(aws: Path) -> None:
    write_profile("hyve two", "AKIANEW", f"%{SECRET}# ;=", "eu-west-1")
    session = Session(profile="hyve two")
    credentials = session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.secret_key) == ("AKIANEW", f"%{SECRET}# ;=")
    assert credentials.token is None
    assert session.get_config_variable("region") == "eu-west-1"


def test_everything_else_in_the_file_stays_byte_for_byte(aws: Path) -> None:
    path = with_file(aws, "credentials", FOREIGN)
    write_profile("hyve", "AKIANEW", SECRET)
    assert path.read_bytes() == FOREIGN_CHANGED
    write_profile("hyve", "AKIANEW", SECRET)
    assert path.read_bytes() == FOREIGN_CHANGED


def test_a_new_profile_comes_after_all_others(aws: Path) -> None:
    path = with_file(aws, "credentials", FOREIGN)
    write_profile("new", "AKIANEW", SECRET)
    added = f"\n\n[new]\naws_access_key_id = AKIANEW\naws_secret_access_key = {SECRET}\n"
    assert path.read_bytes() == FOREIGN + added.encode()


def test_line_ends_of_the_file_are_kept(aws: Path) -> None:
    path = with_file(aws, "credentials", b"[a]\r\naws_access_key_id = x\r\n")
    write_profile("a", "AKIANEW", SECRET)
    write_profile("b", "AKIANEW", SECRET)
    lines = path.read_bytes().split(b"\r\n")
    assert b"\n" not in b"".join(lines)
    assert lines[:3] == [b"[a]", f"aws_secret_access_key = {SECRET}".encode(), b"aws_access_key_id = AKIANEW"]


@pytest.mark.parametrize(("before", "after"), [(0o600, 0o600), (0o644, 0o600), (0o666, 0o600), (0o400, 0o400)])
def test_the_mode_is_narrowed_and_never_widened(aws: Path, before: int, after: int) -> None:
    path = with_file(aws, "credentials", "[a]\n", before)
    write_profile("hyve", "AKIANEW", SECRET)
    assert mode_of(path) == after


def test_a_symbolic_link_is_followed(aws: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "aws"
    real.parent.mkdir()
    aws.mkdir()
    (aws / "credentials").symlink_to("../dotfiles/aws")
    for profile in ("first", "second"):
        write_profile(profile, "AKIANEW", SECRET)
        assert (aws / "credentials").is_symlink()
        assert mode_of(real) == 0o600
        assert profile in profile_names()
    assert list(real.parent.iterdir()) == [real]


def test_the_environment_names_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "$PLACE/keys")
    monkeypatch.setenv("AWS_CONFIG_FILE", "$PLACE/conf")
    (tmp_path / "conf").write_text("[profile other]\n")
    assert write_profile("hyve", "AKIANEW", SECRET) == tmp_path / "keys"
    assert profile_names() == ["hyve", "other"]


def test_a_device_is_never_replaced(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.raises(ConfigurationError) as caught:
        write_profile("hyve", "AKIANEW", SECRET)
    assert str(caught.value) == f"{os.devnull}: can't be written: is not a regular file"
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert "hyve" not in profile_names()


def all_text_of(error: BaseException) -> str:
    """Everything that a report of the error could show, its causes and contexts included."""
    shown = traceback.format_exception(error)
    while error is not None:
        shown += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return "\n".join(shown)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"[a]\n{SECRET}\n", "line 2: is not a valid AWS file; correct it first"),
        (f"{SECRET}\n", "line 1: is not a valid AWS file; correct it first"),
        ("[a]\n[b]\n[a]\n", "line 3: is not a valid AWS file; correct it first"),
        (f"[a]\nx = {SECRET}\nx = {SECRET}\n", "line 3: is not a valid AWS file; correct it first"),
        (
            "[DEFAULT]\naws_session_token = x\n[hyve]\n",
            "profile 'hyve' can't be changed automatically; edit the file",
        ),
        (
            "[hyve]\nrole_arn = arn:aws:iam::1:role/x\n",
            "profile 'hyve' has role_arn, which AWS tools use instead of keys; "
            "choose another profile for the keys, or use this one without keys",
        ),
    ],
)
def test_a_file_that_cannot_be_changed_is_left_alone_and_no_secret_is_shown(
    aws: Path, content: str, message: str
) -> None:
    path = with_file(aws, "credentials", content)
    with pytest.raises(ConfigurationError) as caught:
        write_profile("hyve", "AKIANEW", SECRET)
    assert str(caught.value) == f"{path}: {message}"
    assert SECRET not in all_text_of(caught.value)
    assert path.read_text() == content
    assert list(aws.iterdir()) == [path]


def test_a_profile_of_single_sign_on_does_not_get_keys(aws: Path) -> None:
    path = with_file(aws, "config", "[profile hyve]\nsso_session = x\n")
    with pytest.raises(ConfigurationError) as caught:
        write_profile("hyve", "AKIANEW", SECRET)
    assert str(caught.value).startswith(f"{path}: profile 'hyve' has sso_session, which ")
    assert not (aws / "credentials").exists()


@pytest.mark.parametrize(
    ("profile", "key", "secret", "region", "message"),
    [
        ("a]b", "K", "S", None, "'a]b' is not a valid name of an AWS profile"),
        ("a\nb", "K", "S", None, "'a\\nb' is not a valid name of an AWS profile"),
        ("", "K", "S", None, "'' is not a valid name of an AWS profile"),
        ("DEFAULT", "K", "S", None, "'DEFAULT' is not a valid name of an AWS profile"),
        ("p", " ", "S", None, "aws_access_key_id {line}"),
        ("p", "K", "S\nx = 1", None, "aws_secret_access_key {line}"),
        ("p", "K", "Sü", None, "aws_secret_access_key {line}"),
        ("p", "K", "S", "", "region {line}"),
    ],
)
def test_values_that_are_not_valid_in_the_file_are_refused(
    aws: Path, profile: str, key: str, secret: str, region: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        write_profile(profile, key, secret, region)
    assert str(caught.value) == message.format(line="of profile 'p' must be one line of printable ASCII characters")
    assert not aws.exists()


def test_a_folder_that_cannot_be_made_is_one_line_without_the_secret(aws: Path) -> None:
    aws.write_text("a file")
    with pytest.raises(ConfigurationError) as caught:
        write_profile("hyve", "AKIANEW", SECRET)
    assert str(caught.value) == f"{aws / 'credentials'}: can't be written: File exists"
    assert SECRET not in all_text_of(caught.value)


def test_profiles_are_those_that_botocore_finds(aws: Path) -> None:
    with_file(aws, "credentials", "[default]\n[keys]\n[both]\n[with space]\n")
    with_file(
        aws,
        "config",
        "[profile both]\n[profile role]\n[profile 'quoted one']\n[bare]\n[sso-session s]\n[services v]\n[profile]\n"
        "[profile a b]\n[plugins]\n",
    )
    assert sorted(profile_names()) == sorted(Session().available_profiles)
    assert "role" in profile_names()
    assert "default" in profile_names()
    assert "bare" not in profile_names()
    assert "profile role" not in profile_names()


def test_without_files_there_is_no_profile(aws: Path) -> None:
    assert profile_names() == Session().available_profiles == []
    assert "default" not in profile_names()


def settings_with(source: str | None, store: str | None) -> Settings:
    sync = SyncSettings(
        name="images",
        source=BucketSettings(bucket="rootwork", profile=source),
        store=BucketSettings(bucket="store", profile=store),
    )
    return Settings(sync={"images": sync})


def test_known_profiles_and_none_at_all_pass_the_check(aws: Path) -> None:
    check_profiles(settings_with(None, None), Path("hyve.toml"))
    with_file(aws, "credentials", "[hyve]\n")
    check_profiles(settings_with("hyve", None), Path("hyve.toml"))


@pytest.mark.parametrize(
    ("source", "store", "problem"),
    [
        ("hyv", "hyve", "source] profile: no profile 'hyv' in {files} (known: hyve, other; did you mean hyve?)"),
        ("hyve", "zzz", "store] profile: no profile 'zzz' in {files} (known: hyve, other)"),
    ],
)
def test_an_unknown_profile_is_one_line_with_file_table_and_key(
    aws: Path, source: str, store: str, problem: str
) -> None:
    with_file(aws, "credentials", "[hyve]\n")
    with_file(aws, "config", "[profile other]\n")
    with pytest.raises(ConfigurationError) as caught:
        check_profiles(settings_with(source, store), Path("hyve.toml"))
    problem = problem.format(files=f"{aws / 'credentials'} or {aws / 'config'}")
    assert str(caught.value) == f"hyve.toml: [sync.images.{problem}; `hyve configure` adds one"


def parsed(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_file(io.StringIO(text, newline=None))
    return {section: dict(parser.items(section)) for section in parser.sections()}


# Headings, options in all spellings, continuations, comments and blanks.
LINES = [
    *("[p]", "[q]", " [p]", "[p] tail"),
    *("a = 1", "A=2", "  a : 3", "a =", "b=4", "    b = 5", "token = 6", "  token=7", "\ttab = 9", " x = 8", "[a]=b"),
    *("   more", "s3 =", "  deep = 1", "# c", "  ; c", "", "  "),
]


@given(
    first=st.sampled_from(["[p]", "[q]", "# c"]),
    lines=st.lists(st.sampled_from(LINES), max_size=9),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
)
def test_only_the_given_options_change_in_any_file(first: str, lines: list[str], end: str, last: bool) -> None:
    text = end.join([first, *lines]) + (end if last else "")
    try:
        before = parsed(text)
    except configparser.Error:
        return
    after = parsed(put_options(text, "p", {"a": "new", "b": "new2"}, remove=("token",)))
    own = {name: value for name, value in before.pop("p", {}).items() if name != "token"}
    assert after.pop("p") == own | {"a": "new", "b": "new2"}
    assert after == before
