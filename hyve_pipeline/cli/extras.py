"""What a command needs that the base installation leaves out."""

from importlib.util import find_spec

from hyve_pipeline.core.base.errors import ConfigurationError


def require_extra(extra: str, *modules: str) -> None:
    """Make sure that an extra of the package is installed.

    Args:
        extra: the extra's name.
        modules: the modules that it brings and that the command imports.

    Raises:
        ConfigurationError: one of them is missing; the message has the command that installs it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            f"this command needs {' and '.join(missing)}, which the base installation leaves out: "
            f"pip install 'hyve-pipeline[{extra}]'"
        )
