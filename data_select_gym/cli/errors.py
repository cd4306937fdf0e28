"""Which errors say all there is to say in a line, and which are told with where they come from."""

from __future__ import annotations

import dis


def is_told(error: BaseException) -> bool:
    """Whether an error's message tells a user what is wrong.

    So do those that this package raises by a statement of its own, those of Gymnasium, which looks up environments, and
    those of files. Any other was not foreseen: it comes from a fault here, or from within a library or a user's code,
    where its message means little without the lines that led to it.
    """
    if isinstance(error, OSError):
        return True
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    if package == "gymnasium":
        # It says of which environment it is, and hands on the error of whoever makes it.
        return error.__cause__ is None or is_told(error.__cause__)
    return package == "data_select_gym" and _raised_by_statement(trace.tb_frame.f_code.co_code, trace.tb_lasti)


def _raised_by_statement(code: bytes, position: int) -> bool:
    """Whether the instruction is that of ``raise``, and not one that went wrong."""
    return dis.opname[code[position]] == "RAISE_VARARGS"
