"""``python -m hyve_pipeline`` and ``hyve`` are the same."""

import sys


def main() -> None:
    """Run the command of this process and exit with its code, also when it is interrupted before it was loaded."""
    try:
        from hyve_pipeline.cli.main import main as run_command
    except KeyboardInterrupt:  # nothing has begun yet
        sys.exit(130)
    run_command()


if __name__ == "__main__":
    main()
