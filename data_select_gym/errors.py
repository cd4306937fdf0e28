"""Which errors explain themselves in one line, and which need a traceback."""

from __future__ import annotations

import dis

OURS, GYMNASIUM = "data_select_gym", "gymnasium"


def explains_itself(error: BaseException) -> bool:
    """Whether an error's message tells a user what is wrong.

    Errors that this package or Gymnasium raises by a ``raise`` statement do, and so do errors of files. Any other is
    unexpected: it comes from a fault here, or from within a library or a user's code, where its message means little
    without the lines that led to it.
    """
    if isinstance(error, OSError):
        return True
    if raised_by(error) == GYMNASIUM:
        # Gymnasium names the environment, and passes on the error of what makes it.
        return error.__cause__ is None or explains_itself(error.__cause__)
    return raised_by(error) == OURS and _raised_by_statement(error)


def message_of(error: BaseException) -> str:
    """The message, without what Gymnasium adds to one of this package: the whole call that makes the environment."""
    cause = error.__cause__
    if cause is not None and raised_by(error) == GYMNASIUM and raised_by(cause) == OURS:
        return message_of(cause)
    return str(error)


def raised_by(error: BaseException) -> str:
    """The name of the package whose code raised the error; empty if it was not raised."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _raised_by_statement(error: BaseException) -> bool:
    """Whether the error comes from a ``raise``, and not from an instruction that went wrong."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
