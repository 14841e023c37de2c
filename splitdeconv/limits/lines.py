"""Lines to and from a process, written and read by a thread: neither side can block the other."""

import os
import selectors
import socket
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

_PIECE = 1 << 16  # bytes, what a pipe holds
_MOST = 1000  # lines that nobody asked for, which must not fill the memory


class Lines:
    """The ends of two pipes.

    A pipe holds 64 KiB. Who writes more waits for the reader, who may come late or never, or wait
    itself until its own lines are read; and who reads waits for all that hold the other end, which
    may be more than the process that was started. So both is done as far as it is possible.

    Args:
        to: to which lines are written.
        back: from which they are read.
        longest: bytes of a line that is read; a longer one is cut off, and is the last.

    Attributes:
        read: the lines as they come, then None for the end.
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
        """Have a line written; returns at once."""
        self._waiting.put(line + b"\n")
        self._wake.send(b".")

    def stray(self) -> bool:
        """Whether a line is there that nobody asked for; it is gone then."""
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
                # A pipe is nearly always ready for more: only who has more asks for that.
                if bool(self._unsent) != (to in selector.get_map()):
                    if self._unsent:
                        selector.register(to, selectors.EVENT_WRITE)
                    else:
                        selector.unregister(to)

    def _fetched(self) -> bool:
        """Take the lines that are to be written; False if it is time to stop."""
        self._woken.recv(_PIECE)
        while not self._waiting.empty():
            line = self._waiting.get()
            if line is None:
                return False
            self._unsent.append(memoryview(line))
        return True

    def _send(self, to: int) -> None:
        """Write as much as there is room for, or drop it where nobody reads any more."""
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
        """Read a piece, and tell the lines in it; False at the end."""
        try:
            piece = os.read(back, _PIECE)
        except BlockingIOError:
            return True
        except OSError:
            piece = b""
        before = len(unread)
        unread += piece
        # What was there before has no end of a line.
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
