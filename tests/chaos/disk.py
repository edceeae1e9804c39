"""A small disk of our own, an ext4 in a file, that can be filled and lose its power.

``EXT4_IOC_SHUTDOWN`` without a flush of the log stands in for a power cut: from then on the file system takes nothing
and says EIO, and what was not in its log by then is gone at the next mount. The rest of the machine keeps running, so
what had reached the image is kept: a disk that lies about its cache is not tried.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_BYTES = 96 << 20
_EXT4_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_FILLER_BLOCK = 1 << 16


@cache
def why_no_disk() -> str:
    """Why none can be mounted here; empty: it can."""
    if os.geteuid() != 0:
        return "only root may mount"
    if missing := [tool for tool in ("mkfs.ext4", "mount", "umount") if shutil.which(tool) is None]:
        return f"there is no {missing[0]}"
    with TemporaryDirectory(prefix="chaos-disk-") as folder:
        disk = Disk(Path(folder) / "mnt")
        try:
            disk.make()
            disk.unmount()
        except (OSError, subprocess.SubprocessError) as error:
            return f"no ext4 can be mounted: {error}"
    return ""


class Disk:
    """Mounted at ``folder``; the image is beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._image = folder.with_suffix(".img")
        self._filler = folder / "filler"

    @classmethod
    @asynccontextmanager
    async def mounted(cls, folder: Path) -> AsyncIterator[Disk]:
        """An empty one; taken away at the end."""
        disk = cls(folder)
        await asyncio.to_thread(disk.make)
        try:
            yield disk
        finally:
            await asyncio.to_thread(disk.unmount)

    def make(self) -> None:
        """Make the image, and mount it."""
        self.folder.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()

    def mount(self) -> None:
        """Mount; the log that a power cut has left is worked through."""
        _run("mount", "-o", "loop", str(self._image), str(self.folder))

    def unmount(self) -> None:
        """Lazily where something still has a file open."""
        with suppress(subprocess.SubprocessError):
            _run("umount", str(self.folder))
            return
        _run("umount", "-l", str(self.folder))

    def cut_power(self) -> None:
        """Nothing reaches the disk from now on."""
        directory = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(directory)

    def mount_again(self) -> None:
        """After a power cut, when nobody has a file open any more."""
        _run("umount", str(self.folder))
        self.mount()

    def fill(self) -> None:
        """Take all the room that is left, in large pieces first."""
        for block_bytes in (_FILLER_BLOCK, 512):
            with suppress(OSError), self._filler.open("ab", buffering=0) as filler:
                while True:
                    filler.write(bytes(block_bytes))

    def empty(self) -> None:
        """Give it back."""
        self._filler.unlink(missing_ok=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
