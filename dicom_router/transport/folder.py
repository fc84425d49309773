"""Hands instances over in a folder: a USB stick where the link is dead, a share, the tests' peer. Knows no network."""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Acknowledgement, InstanceRef, Parcel
from dicom_router.dicom.part10 import dataset_sha256
from dicom_router.dicom.status import Status, written
from dicom_router.errors import DamagedFile, PeerUnreachable
from dicom_router.files import sync_share

_NAME_DIGITS = 24


class FolderTransport:
    """A folder that must be there already: an unplugged stick is an unreachable peer, not a new empty folder.

    One folder per study, one file per instance, both named by a digest of their UID: nothing on disk is named after
    text from outside, and the same instance twice is one file.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def send(self, parcel: Parcel) -> Acknowledgement:
        """Write beside, fsync, rename, fsync of the folder. See Transport."""
        target = self._target(parcel.instance)
        folder = target.parent
        beside = target.with_suffix(".part")
        self.echo()
        with parcel.open() as source:
            try:
                folder.mkdir(exist_ok=True)
                with beside.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                    copy.flush()
                    os.fsync(copy.fileno())
                    size = copy.tell()
                beside.replace(target)
                for each in (folder, self._path):
                    sync_share(each)
            except OSError as error:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise PeerUnreachable(f"{self._path}: {error.strerror or error}; check the medium") from error
        status = written(Status.SUCCESS)
        return Acknowledgement(status=status, peer=str(self._path), at=self._clock.now(), sent_bytes=size)

    def has(self, instance: InstanceRef, sha256: str) -> bool:
        """Whether the instance lies there with these bytes. Raises PeerUnreachable when that cannot be known."""
        self.echo()
        try:
            with self._target(instance).open("rb") as stream:
                return dataset_sha256(stream) == sha256
        except (FileNotFoundError, DamagedFile):
            return False
        except OSError as error:
            raise PeerUnreachable(f"{self._path}: {error.strerror or error}; check the medium") from error

    def echo(self) -> None:
        """Raises PeerUnreachable when the folder is not there or not ours to write."""
        if not self._path.is_dir():
            raise PeerUnreachable(f"{self._path}: no such folder; plug in or mount the medium")
        if not os.access(self._path, os.W_OK | os.X_OK):
            raise PeerUnreachable(f"{self._path}: not allowed to write; check its owner")

    def close(self) -> None:
        """Nothing is kept open."""

    def _target(self, instance: InstanceRef) -> Path:
        return self._path / _name(instance.study_instance_uid) / f"{_name(instance.sop_instance_uid)}.dcm"


def _name(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_NAME_DIGITS]
