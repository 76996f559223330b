"""What a client records: the tape that its connections go to, from the first one on, or that a tape is copied to."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tvstreamer.tape.format import Header, Record
from tvstreamer.tape.parts import Rotation
from tvstreamer.transports.base import Connector, Transport

if TYPE_CHECKING:
    from tvstreamer.tape.redact import Redactor
    from tvstreamer.tape.writer import TapeWriter


class Recording:
    """One recording, which begins when its client connects. Safe to finish before that, and more than once."""

    def __init__(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, rotation: Rotation, fsync: str = "never"
    ) -> None:
        self._path = Path(path)
        self._overwrite = overwrite
        self._rotation = rotation
        self._fsync = fsync
        self._fresh = False
        self._writer: TapeWriter | None = None
        self._redactor: Redactor | None = None

    def __repr__(self) -> str:
        return f"<Recording to {self._path}, {self._writer or 'not begun'}>"

    def begin(self, header: Header, secrets: Iterable[str]) -> TapeWriter:
        """Makes the file. The secrets never get into it. Raises `TapeWriteError`."""
        from tvstreamer.tape.compression import compression_of
        from tvstreamer.tape.redact import Redactor, new_key
        from tvstreamer.tape.writer import TapeWriter

        self._fresh = not os.path.lexists(self._path)
        key = new_key(None if header.seed is None else random.Random(header.seed))
        self._redactor = Redactor(key=key, secrets=secrets)
        self._writer = TapeWriter(
            self._path,
            header,
            redactor=self._redactor,
            overwrite=self._overwrite,
            rotate_bytes=self._rotation.bytes,
            rotate_seconds=self._rotation.seconds,
            fsync=self._fsync,
            compress=compression_of(self._path),
        )
        return self._writer

    def copier(self, header: Header, secrets: Iterable[str]) -> Callable[[Record], None]:
        """Begins, with a tape that is played; each of its records is to be handed over."""
        return self.begin(header, secrets).copy

    def tee(
        self, connector: Connector, header: Header, secrets: Iterable[str], *, now: Callable[[], float]
    ) -> Connector:
        """Begins, with connections: those of `connector`, which are written down."""
        from tvstreamer.transports.record import recording

        opened: list[Transport] = []
        if self._overwrite and self._path.exists():
            # The tape that is there stays until there is something to take its place.
            opened.append(connector())
        try:
            writer = self.begin(header, secrets)
        except BaseException:
            for transport in opened:
                transport.close()
            raise
        return recording(lambda: opened.pop() if opened else connector(), writer, now=now)

    def learn(self, secret: str) -> None:
        """From now on this is secret too."""
        if self._redactor is not None:
            self._redactor.learn([secret])

    @property
    def written(self) -> tuple[int, int]:
        """Messages and bytes so far."""
        return (0, 0) if self._writer is None else (self._writer.messages, self._writer.bytes)

    def finish(self) -> None:
        """Closes the tape. Raises `TapeWriteError`."""
        if self._writer is not None:
            self._writer.finish()

    def remove_if_empty(self) -> None:
        """Removes a new file in which nothing stands: it would only be in the way of the next attempt."""
        if self._fresh and self._writer is not None and not self._writer.records:
            self._path.unlink(missing_ok=True)
