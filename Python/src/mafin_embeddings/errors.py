"""The errors of the package. Each message names what was found and what was expected."""

from __future__ import annotations

import os
import sys
import warnings


class MafinError(Exception):
    """An error of mafin: of the shared library, of the program, or of this package."""


class MafinWarning(UserWarning):
    """A warning of the program or of an artefact: something that may spoil a result."""


class LibraryError(MafinError):
    """The shared library refused a call. ``status`` is its code."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class MissingBlackBox(MafinError, ValueError):
    """A joined vector needs the black box's vectors, and none were given."""


class ProgramError(MafinError):
    """The program ended with an error. ``status`` is its exit status, ``kind`` the name of the status."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class UsageError(ProgramError, ValueError):
    """A wrong argument."""


class DataError(ProgramError, ValueError):
    """An input is missing, malformed or does not fit another."""


class NetworkError(ProgramError, ConnectionError):
    """A server cannot be reached, or refuses."""


class BudgetError(ProgramError):
    """A limit of money or requests was reached. What was paid for is kept in the cache."""


class PendingError(ProgramError):
    """Batches are pending: the same call later collects the answers."""


class Interrupted(KeyboardInterrupt):
    """The user interrupted. The program wrote what it needs to continue."""


# Exit statuses of the program (`mafin --help` lists them).
INTERRUPTED = 130
CONDITION_MET = 3
_CLASSES: dict[int, type[ProgramError]] = {
    4: BudgetError,
    64: UsageError,
    65: DataError,
    69: NetworkError,
    75: PendingError,
}


def program_error(message: str, status: int, kind: str) -> ProgramError:
    """The error of an exit status."""
    return _CLASSES.get(status, ProgramError)(message, status, kind)


_PACKAGE = os.path.join(os.path.dirname(__file__), "")


def warn(message: str) -> None:
    """Gives a :class:`MafinWarning` that names the first line outside this package."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, MafinWarning, stacklevel=level)
