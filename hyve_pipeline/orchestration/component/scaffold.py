"""What ``dg scaffold defs hyve_pipeline.BucketSync NAME`` writes: an example with comments on what can be changed."""

from pathlib import Path

import dagster as dg
from pydantic import BaseModel, Field

from hyve_pipeline.core.runtime.atomic_write import make_folder
from hyve_pipeline.core.settings.hints import OPTION_HINTS, PLACE_HINTS, SOURCE_TEXT, STORE_TEXT, Hint, commented

_YAML = """\
# Keeps one S3 bucket, the store, an exact copy of another, the source. `dg check yaml` checks this file.
type: {type}

attributes:
  # {source_text}
  source:
    bucket: {source}
{place_hints}

  # {store_text}
  store:
    bucket: {store}
{place_hints}

  options:
    # A plan that deletes more than this share of the store's objects, or this number, is refused.
    max_deletes: "10%"
{option_hints}

  # Other names in the store, for keys of the source that begin so; all others are left out. See docs/mapping.md.
  # mapping:
  #   - from: raw/2025/
  #     to: archive/2025/

  # The folder of all state: plans, journals, lists. It is below the project's folder where it is relative. Where that
  # does not last, name another: /var/lib/hyve, or "{{{{ env.HYVE_HOME }}}}".
  home: {home}

  # Key, group, description, metadata, tags and kinds of the assets.
  # translation:
  #   key: "media/{{{{ sync }}}}/{{{{ name }}}}"     # name is source, source_inventory, plan, store, …
  #   group_name: media

  # When a plan is made. The schedule is off until it is switched on in the UI.
  schedule: "0 2 * * *"
  timezone: UTC
"""

_PYTHON = """\
import dagster as dg
from hyve_pipeline import BucketSync


@dg.component_instance
def load(context: dg.ComponentLoadContext) -> BucketSync:
    # Keeps the store an exact copy of the source.
    return BucketSync.model_validate(
        {{
            "source": {{"bucket": "{source}"}},
            "store": {{"bucket": "{store}"}},
            "options": {{"max_deletes": "10%"}},
            # The folder of all state, below the project's folder where it is relative.
            "home": "{home}",
            "schedule": "0 2 * * *",
        }}
    )
"""


# The home of the example: the project's own, so that it shares no state with `hyve.toml` or another project.
HOME = ".hyve"


def _indented(hints: tuple[Hint, ...]) -> str:
    return "\n".join(f"    {line}" for line in commented(hints, ": "))


# The same as `hyve configure` writes, for this place.
_HINTS = {
    "source_text": SOURCE_TEXT,
    "store_text": STORE_TEXT,
    "place_hints": _indented((*PLACE_HINTS, Hint("resource", "s3", "or the key of an S3Resource of this project"))),
    "option_hints": _indented(tuple(hint for hint in OPTION_HINTS if hint.key != "max_deletes")),
}


class BucketSyncParams(BaseModel):
    """What the example is to name."""

    source: str = Field(default="my-source-bucket", description="The bucket that objects come from.")
    store: str = Field(default="my-store-bucket", description="The bucket that becomes an exact copy.")


class BucketSyncScaffolder(dg.Scaffolder[BucketSyncParams]):
    """Writes a `defs.yaml`, or a `component.py`."""

    @classmethod
    def get_scaffold_params(cls) -> type[BucketSyncParams]:
        """The options of the command."""
        return BucketSyncParams

    def scaffold(self, request: dg.ScaffoldRequest[BucketSyncParams]) -> None:
        """Write the file, or append to the one that is there."""
        is_yaml = request.scaffold_format == "yaml"
        names = {
            "type": request.type_name,
            "source": request.params.source,
            "store": request.params.store,
            "home": HOME,
            **_HINTS,
        }
        if request.project_root is not None:
            _keep_out_of_git(request.project_root / HOME)
        text = (_YAML if is_yaml else _PYTHON).format(**names)
        if request.append:
            with Path(request.target_path).open("a", encoding="utf-8") as file:
                file.write(f"---\n{text}")
            return
        path = Path(request.target_path) / ("defs.yaml" if is_yaml else "component.py")
        path.write_text(text, encoding="utf-8")


def _keep_out_of_git(home: Path) -> None:
    """Make the home, unless it is there, with a file that keeps plans and journals out of a repository."""
    ignored = home / ".gitignore"
    if not home.exists():
        make_folder(home)
        ignored.write_text("*\n", encoding="utf-8")
