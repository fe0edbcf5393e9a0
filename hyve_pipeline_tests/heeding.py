"""What a child process does before it begins, so that it heeds what this process may be exempt from."""

import ctypes
import os
import signal


def heed_signals() -> None:
    """Let a child heed signals that this process may ignore, and so would what it starts.

    One that is started in the background ignores SIGINT, and by `nohup` SIGHUP; Dagster treats SIGTERM like SIGINT.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def hold_an_interrupt_back() -> None:
    """Let a child begin with an interrupt that has come, and that it gets when it is ready for one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    os.kill(os.getpid(), signal.SIGINT)


# From Linux's headers: an option of prctl, and two capabilities.
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def heed_permissions() -> None:
    """Let a program that is started next heed the permissions of files even as root, as anybody would."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "a capability can't be dropped")
