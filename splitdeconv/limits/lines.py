"""Exchange lines with a process through a thread, so that neither side can block the other."""

import os
import selectors
import socket
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

_PIECE = 1 << 16  # bytes; the capacity of a pipe
_MOST = 1000  # unrequested lines to keep, so that they cannot fill the memory


class Lines:
    """The ends of two pipes.

    A pipe holds 64 KiB. A process that writes more blocks until the reader reads, but the reader
    may be late, absent, or blocked by its own output. A process that reads blocks until every
    holder of the other end has closed it, and there may be more holders than the process that was
    started. The thread therefore reads and writes only as much as is possible without blocking.

    Args:
        to: pipe to which lines are written.
        back: pipe from which lines are read.
        longest: maximum length of a line in bytes; a longer line is truncated and is the last one.

    Attributes:
        read: the lines as they arrive, followed by None at the end.
    """

    def __init__(self, to: IO[bytes], back: IO[bytes], longest: int) -> None:
        self.read: SimpleQueue[bytes | None] = SimpleQueue()
        self._to, self._back, self._longest = to, back, longest
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._unsent: deque[memoryview] = deque()
        self._woken, self._wake = socket.socketpair()
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Schedule a line to be written, and return immediately."""
        self._waiting.put(line + b"\n")
        self._wake.send(b".")

    def stray(self) -> bool:
        """Whether an unrequested line has arrived, which is then discarded."""
        try:
            line = self.read.get_nowait()
        except Empty:
            return False
        if line is None:
            self.read.put(None)
        return line is not None

    def close(self) -> None:
        """Stop, and close both pipes."""
        self._waiting.put(None)
        self._wake.send(b".")
        self._thread.join()
        for stream in (self._to, self._back, self._woken, self._wake):
            with suppress(OSError):
                stream.close()

    def _work(self) -> None:
        to, back = self._to.fileno(), self._back.fileno()
        for end in (to, back):
            os.set_blocking(end, False)
        unread = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            selector.register(back, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if self._woken.fileno() in ready and not self._fetched():
                    return
                if to in ready:
                    self._send(to)
                if back in ready and not self._took(back, unread):
                    return
                # A pipe is almost always writable, so only wait for that with lines to send.
                if bool(self._unsent) != (to in selector.get_map()):
                    if self._unsent:
                        selector.register(to, selectors.EVENT_WRITE)
                    else:
                        selector.unregister(to)

    def _fetched(self) -> bool:
        """Fetch the lines to be written; return False if it is time to stop."""
        self._woken.recv(_PIECE)
        while not self._waiting.empty():
            line = self._waiting.get()
            if line is None:
                return False
            self._unsent.append(memoryview(line))
        return True

    def _send(self, to: int) -> None:
        """Write as much as fits into the pipe, or drop it if there is no reader any more."""
        try:
            count = os.write(to, self._unsent[0][:_PIECE])
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()
            return
        self._unsent[0] = self._unsent[0][count:]
        if not self._unsent[0]:
            self._unsent.popleft()

    def _took(self, back: int, unread: bytearray) -> bool:
        """Read a chunk and queue the lines in it; return False at the end."""
        try:
            piece = os.read(back, _PIECE)
        except BlockingIOError:
            return True
        except OSError:
            piece = b""
        before = len(unread)
        unread += piece
        # The part that was read before contains no line end.
        while (end := unread.find(b"\n", before)) >= 0:
            self.read.put(bytes(unread[: end + 1]))
            del unread[: end + 1]
            before = 0
        if piece and len(unread) < self._longest and self.read.qsize() < _MOST:
            return True
        if unread:
            self.read.put(bytes(unread[: self._longest]))
        self.read.put(None)
        return False
