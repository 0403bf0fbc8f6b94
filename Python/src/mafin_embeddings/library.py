"""The shared library, through ctypes. Its interface is described in ``mafin.h``, which is beside it.

``ctypes`` releases the interpreter's lock while the library computes, so other Python threads go on. The progress callback takes
the lock again for a moment after each piece of work. There an interrupt (Ctrl-C) is noticed, and ends the call.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import LibraryError, MafinError, MissingBlackBox

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# MAFIN_ABI_VERSION of the header that this file was written for.
ABI_VERSION = 1

QUERY, DOCUMENT = 0, 1
LOCAL, BLACK_BOX, JOINED = 0, 1, 2
UNNORMALIZED, OFFLINE, WITHOUT_BLACK_BOX = 1, 2, 4
NO_ROW = 2**64 - 1

_INVALID_ARGUMENT, _NOT_FOUND, _NEEDS_BLACK_BOX, _BAD_VECTOR, _CANCELLED = 1, 2, 4, 6, 7

ProgressFunction = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)


class _Error(ctypes.Structure):
    _fields_ = [("status", ctypes.c_int32), ("message", ctypes.c_char * 1020)]


class Texts(ctypes.Structure):
    """``mafin_texts``."""

    _fields_ = [
        ("utf8", ctypes.c_char_p),
        ("byte_count", ctypes.c_uint64),
        ("offsets", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
    ]


class Vectors(ctypes.Structure):
    """``mafin_vectors``."""

    _fields_ = [("values", ctypes.c_void_p), ("rows", ctypes.c_uint64), ("columns", ctypes.c_uint64)]


class Options(ctypes.Structure):
    """``mafin_options``."""

    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("progress", ProgressFunction),
        ("context", ctypes.c_void_p),
        ("prefix", ctypes.c_char_p),
        ("weights", ctypes.c_void_p),
    ]


class OpenOptions(ctypes.Structure):
    """``mafin_open_options``."""

    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("verify_content", ctypes.c_uint32),
        ("maximum_tokens", ctypes.c_uint32),
        ("model_folders", ctypes.c_char_p),
        ("precision", ctypes.c_char_p),
    ]


class Document(ctypes.Structure):
    """``mafin_document``."""

    _fields_ = [
        ("id", ctypes.c_void_p),
        ("id_length", ctypes.c_uint64),
        ("title", ctypes.c_void_p),
        ("title_length", ctypes.c_uint64),
        ("text", ctypes.c_void_p),
        ("text_length", ctypes.c_uint64),
    ]


class Counters(ctypes.Structure):
    """``mafin_counters``."""

    _fields_ = [
        ("struct_size", ctypes.c_uint64),
        ("queries_encoded", ctypes.c_uint64),
        ("documents_encoded", ctypes.c_uint64),
        ("tokens", ctypes.c_uint64),
        ("texts_at_limit", ctypes.c_uint64),
        ("encoding_seconds", ctypes.c_double),
        ("searches", ctypes.c_uint64),
        ("search_seconds", ctypes.c_double),
        ("errors", ctypes.c_uint64),
    ]


class InvalidArgument(LibraryError, ValueError):
    """A wrong argument, such as vectors of another dimension."""


class NotFound(LibraryError, LookupError):
    """A file, a folder or a document is not there."""


_CLASSES: dict[int, type[LibraryError]] = {
    _INVALID_ARGUMENT: InvalidArgument,
    _BAD_VECTOR: InvalidArgument,
    _NOT_FOUND: NotFound,
}

_P = ctypes.c_void_p
_U = ctypes.c_uint64
_STATUS_FUNCTIONS: dict[str, list[Any]] = {
    "mafin_set_threads": [ctypes.c_uint32],
    "mafin_open": [ctypes.c_char_p, _P, _P],
    "mafin_describe": [_P, _P],
    "mafin_encode": [_P, ctypes.c_int32, _P, _P, _P, _U],
    "mafin_encode_joined": [_P, ctypes.c_int32, _P, _P, _P, _P, _P, _U],
    "mafin_count_tokens": [_P, ctypes.c_int32, _P, _P, _U],
    "mafin_index_open": [_P, ctypes.c_char_p, _P],
    "mafin_index_make": [_P, _P, _P, _P, _P, _P],
    "mafin_search": [_P, _P, _P, _U, _P, _P, _P, _P, _P],
    "mafin_score": [_P, _P, _P, _P, _U, _P, _P, _P],
    "mafin_index_document": [_P, _U, _P],
    "mafin_index_row": [_P, ctypes.c_char_p, _U, _P],
    "mafin_read_counters": [_P, _P],
}
_OTHER_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "mafin_abi_version": (ctypes.c_uint32, []),
    "mafin_version": (ctypes.c_char_p, []),
    "mafin_threads": (ctypes.c_uint32, []),
    "mafin_close": (None, [_P]),
    "mafin_dimension": (_U, [_P, ctypes.c_int32]),
    "mafin_source_count": (_U, [_P]),
    "mafin_source_name": (ctypes.c_char_p, [_P, _U]),
    "mafin_source_weight": (ctypes.c_float, [_P, _U, _U]),
    "mafin_warning_count": (_U, [_P]),
    "mafin_warning": (ctypes.c_char_p, [_P, _U]),
    "mafin_index_close": (None, [_P]),
    "mafin_index_count": (_U, [_P]),
    "mafin_document_free": (None, [_P]),
}


def library_path() -> Path:
    """The path of the shared library: ``MAFIN_LIBRARY``, or the one beside this package.

    Raises:
        MafinError: There is none.
    """
    named = os.environ.get("MAFIN_LIBRARY")
    if named:
        if not Path(named).is_file():
            raise MafinError(f"MAFIN_LIBRARY={named}: there is no such file")
        return Path(named)
    name = "libMafinC.dylib" if sys.platform == "darwin" else "libMafinC.so"
    path = Path(__file__).parent / name
    if not path.is_file():
        raise MafinError(
            f"the shared library is not at {path}, where the wheel of this package puts it; "
            "install the wheel, or set MAFIN_LIBRARY to a library that you built"
        )
    return path


class Library:
    """The loaded library. :func:`library` returns the only one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process = os.getpid()
        try:
            self._functions = ctypes.CDLL(str(path))
        except OSError as error:
            raise MafinError(f"{path}: the shared library cannot be loaded: {error}") from None
        try:
            for name, (result, arguments) in _OTHER_FUNCTIONS.items():
                function = getattr(self._functions, name)
                function.restype, function.argtypes = result, arguments
            for name, arguments in _STATUS_FUNCTIONS.items():
                function = getattr(self._functions, name)
                function.restype, function.argtypes = ctypes.c_int32, [*arguments, ctypes.POINTER(_Error)]
        except AttributeError as error:
            raise MafinError(f"{path}: this is not the shared library of mafin: {error}") from None
        found = self.plain("mafin_abi_version")
        if found != ABI_VERSION:
            raise MafinError(f"{path}: expected version {ABI_VERSION} of the interface, found {found}")

    def plain(self, name: str, *arguments: Any) -> Any:
        """Calls a function that returns no status.

        Raises:
            LibraryError: This process was forked from one that used the library.
        """
        self._require_own_process()
        return getattr(self._functions, name)(*arguments)

    def close(self, name: str, handle: Any) -> None:
        """Closes a handle with the function of that name. A forked process leaves the handles of its parent alone."""
        if os.getpid() == self.process:
            self.plain(name, handle)

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function that returns a status.

        Raises:
            LibraryError: It is not 0.
        """
        self._require_own_process()
        error = _Error()
        status = getattr(self._functions, name)(*arguments, ctypes.byref(error))
        if status != 0:
            message = error.message.decode("utf-8", "replace") or f"{name} failed with status {status}"
            if status == _NEEDS_BLACK_BOX:
                raise MissingBlackBox(message)
            raise _CLASSES.get(status, LibraryError)(message, status)

    def _require_own_process(self) -> None:
        if os.getpid() != self.process:
            raise LibraryError(
                "this process was forked from one that used mafin, and its threads are not here; "
                "start processes with multiprocessing's 'spawn' instead"
            )


_library: Library | None = None
_lock = threading.Lock()


def library() -> Library:
    """The shared library, loaded at the first call. ``MAFIN_THREADS`` sets the number of its threads."""
    global _library
    with _lock:
        if _library is None:
            loaded = Library(library_path())
            threads = os.environ.get("MAFIN_THREADS")
            if threads:
                if not threads.isdecimal() or int(threads) < 1:
                    raise MafinError(f"MAFIN_THREADS must be a number of at least 1, found {threads!r}")
                loaded.call("mafin_set_threads", int(threads))
            _library = loaded
        return _library


def set_threads(threads: int | None) -> None:
    """Sets the number of threads that all work in this process uses; ``None``: one for each processor."""
    library().call("mafin_set_threads", threads or 0)


def threads() -> int:
    """The number of threads that work in this process uses."""
    return int(library().plain("mafin_threads"))


def version() -> str:
    """The version of the shared library."""
    return str(library().plain("mafin_version").decode())


class PackedTexts:
    """Texts as the library reads them: bytes one after another, and where each begins."""

    def __init__(self, texts: Sequence[str], what: str = "text") -> None:
        import numpy as np

        pieces = []
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"{what} {number}: expected a str, found {type(text).__name__}")
            try:
                pieces.append(text.encode())
            except UnicodeEncodeError as error:
                raise ValueError(f"{what} {number}: it cannot be written as UTF-8 ({error.reason} at {error.start})") from None
        self._bytes = b"".join(pieces)
        self._offsets = np.zeros(len(pieces) + 1, dtype=np.uint64)
        np.cumsum(np.fromiter(map(len, pieces), dtype=np.uint64, count=len(pieces)), out=self._offsets[1:])
        self.count = len(pieces)
        self._struct = Texts(self._bytes, len(self._bytes), self._offsets.ctypes.data, self.count)

    @property
    def pointer(self) -> Any:
        """A ``const mafin_texts *``, valid as long as this object."""
        return ctypes.byref(self._struct)


class PackedVectors:
    """A matrix as the library reads it. A contiguous float32 array is not copied."""

    def __init__(self, values: Any, rows: int, what: str) -> None:
        import numpy as np

        array = np.ascontiguousarray(_to_array(values), dtype=np.float32)
        if array.ndim == 1 and rows == 1:
            array = array.reshape(1, -1)
        if array.ndim != 2 or array.shape[0] != rows:
            raise ValueError(f"{what}: expected {rows} rows of numbers, found an array of shape {array.shape}")
        self.array = array
        self._struct = Vectors(array.ctypes.data, rows, array.shape[1])

    @property
    def pointer(self) -> Any:
        """A ``const mafin_vectors *``, valid as long as this object."""
        return ctypes.byref(self._struct)


def _to_array(values: Any) -> Any:
    """A torch tensor as a NumPy array, without importing torch. Anything else stays as it is."""
    detach = getattr(values, "detach", None)
    if detach is not None and hasattr(values, "cpu"):
        return detach().cpu().float().numpy()
    return values


class _Interrupt:
    """Notes an interrupt (Ctrl-C, or a notebook's stop button) while the library is at work, and raises it afterwards.

    Python's own handler would raise ``KeyboardInterrupt`` on entry to the callback, before any ``try`` in it, and ctypes would print it and go on.
    It is replaced only where it is Python's own, and only in the main thread, which is the one that gets interrupts.
    """

    def __init__(self) -> None:
        self.is_noted = False
        self._replaced = False

    def __enter__(self) -> _Interrupt:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._replaced = True
        return self

    def _note(self, number: int, frame: Any) -> None:
        self.is_noted = True

    def __exit__(self, *error: Any) -> None:
        if self._replaced:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.is_noted:
            raise KeyboardInterrupt


class CallOptions:
    """A ``mafin_options`` with a callback that shows progress and notices interrupts."""

    def __init__(
        self,
        flags: int = 0,
        prefix: str | None = None,
        weights: NDArray[np.float32] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._progress = progress
        self._raised: BaseException | None = None
        self._interrupt = _Interrupt()
        # These are kept alive as long as the struct that points to them.
        self._callback = ProgressFunction(self._report)
        self._prefix = None if prefix is None else prefix.encode()
        self._weights = weights
        self._struct = Options(
            ctypes.sizeof(Options),
            flags,
            self._callback,
            None,
            self._prefix,
            None if weights is None else weights.ctypes.data,
        )

    def _report(self, context: Any, done: int, total: int) -> int:
        try:
            if self._interrupt.is_noted:
                return 1
            if self._progress is not None:
                self._progress(done, total)
        except BaseException as error:  # no exception may pass the library's frames
            self._raised = error
            return 1
        return 0

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function of the library. An exception of the progress callback ends it and is raised again.

        Raises:
            LibraryError: The library refused.
            KeyboardInterrupt: It was interrupted.
        """
        try:
            with self._interrupt:
                library().call(name, *arguments)
        except LibraryError as error:
            if error.status == _CANCELLED and self._raised is not None:
                raise self._raised from None
            raise

    @property
    def pointer(self) -> Any:
        """A ``const mafin_options *``, valid as long as this object."""
        return ctypes.byref(self._struct)
