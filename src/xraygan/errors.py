"""What can go wrong, by whose fault: the exit code follows from the type."""


class XrayganError(Exception):
    """A fault the user can mend: says what was found, where, and what to do.

    The command line prints the message as one line without a traceback and
    exits with `exit_code`.
    """

    exit_code = 2


class TooFewError(XrayganError):
    """There are too few images or patients to measure something: a run goes on without it."""


class TrainingFailedError(XrayganError):
    """Training itself went wrong (a non-finite loss, say): nobody mistyped anything."""

    exit_code = 1


class FollowedError(XrayganError):
    """No fault: this process trained along with another one, which has the results."""

    exit_code = 0


class StoppedError(BaseException):
    """The run was asked to stop by a signal and has written its checkpoint.

    Like KeyboardInterrupt no `Exception`: it is raised wherever the signal finds the program,
    and no `except` on the way, ours or a library's, may take it for a fault and go on.

    Attributes:
        again: how to go on, which ends the message.

    Args:
        signal_number: the signal, 2 (Ctrl-C) or 15 (`kill`).
        message: where the run stands.
    """

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        self.again = "start the same command again to go on"

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.again}"
