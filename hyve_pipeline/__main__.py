"""``python -m hyve_pipeline`` and ``hyve`` are the same."""

import signal
import sys


def main() -> None:
    """Run the command of this process and exit with its code, also when it is interrupted before it was loaded.

    SIGTERM and SIGHUP are as Ctrl-C from the first moment on, but for a SIGHUP that is ignored (`nohup`).
    """
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        from hyve_pipeline.cli.main import main as run_command

        run_command()
    except KeyboardInterrupt:  # nothing has begun yet, or all has ended
        sys.exit(130)


if __name__ == "__main__":
    main()
