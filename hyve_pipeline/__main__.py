"""``python -m hyve_pipeline`` is the same as ``hyve``."""

import sys

if __name__ == "__main__":
    try:
        from hyve_pipeline.cli.main import main
    except KeyboardInterrupt:  # nothing has begun yet
        sys.exit(130)
    main()
