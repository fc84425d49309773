"""Deflated files: written out as they were before, up to a size, and damage told as damage."""

import io
import zlib

import pydicom
import pytest

from dicom_router.dicom.deflated import inflate, is_deflated
from dicom_router.errors import DamagedFile
from tests.factories import film, film_bytes

DEFLATED = "1.2.840.10008.1.2.1.99"
WHOLE = film_bytes(film(rows=64, columns=64, transfer_syntax_uid="1.2.840.10008.1.2.1"))


def deflated(spoil: slice | None = None) -> io.BytesIO:
    plain = pydicom.dcmread(io.BytesIO(WHOLE))
    plain.file_meta.TransferSyntaxUID = pydicom.uid.UID(DEFLATED)
    file = io.BytesIO()
    plain.save_as(file)
    return io.BytesIO(file.getvalue()[spoil] if spoil else file.getvalue())


def test_it_comes_out_as_it_was_before() -> None:
    target = io.BytesIO()
    assert is_deflated(deflated())
    assert inflate(deflated(), target, longest=1 << 20)
    assert not is_deflated(target)
    target.seek(0)
    assert pydicom.dcmread(target) == pydicom.dcmread(io.BytesIO(WHOLE))


def test_a_bomb_is_written_out_to_its_limit_and_a_piece() -> None:
    file = deflated().getvalue()
    head = file[: 144 + int.from_bytes(file[140:144], "little")]  # as its group length says
    deflater = zlib.compressobj(wbits=-15)
    bomb = io.BytesIO(head + deflater.compress(bytes(20_000_000)) + deflater.flush())
    target = io.BytesIO()
    assert not inflate(bomb, target, longest=1 << 20)
    assert len(target.getvalue()) < (1 << 20) + (1 << 17)


@pytest.mark.parametrize("spoil", [slice(-40), slice(400), slice(150), slice(10)])
def test_what_is_cut_is_damage(spoil: slice) -> None:
    with pytest.raises(DamagedFile):
        inflate(deflated(spoil), io.BytesIO(), longest=1 << 20)
