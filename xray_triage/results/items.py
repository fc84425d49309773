"""Builds datasets and their sequence items quickly: a report has two thousand elements, and a doctor waits for it.

Must never know films or findings. Values are taken as they are: who calls has put them into form.
"""

from functools import cache
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from xray_triage.reading.findings import Code


@cache
def _tag_and_vr(keyword: str) -> tuple[BaseTag, str]:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(f"no DICOM attribute has the keyword {keyword}")
    return Tag(tag), dictionary_VR(tag)


def element(keyword: str, value: Any) -> DataElement:
    """One data element, without pydicom's validation of its value, which costs as much as all the rest."""
    tag, vr = _tag_and_vr(keyword)
    return DataElement(tag, vr, value, validation_mode=config.IGNORE)


def item(**attributes: Any) -> Dataset:
    """A dataset with these attributes, named by DICOM keyword."""
    elements = (element(keyword, value) for keyword, value in attributes.items())
    return Dataset({one.tag: one for one in elements})


def add(dataset: Dataset, **attributes: Any) -> None:
    """Set these attributes, named by DICOM keyword."""
    for keyword, value in attributes.items():
        one = element(keyword, value)
        dataset[one.tag] = one


@cache
def coded(code: Code) -> tuple[Dataset]:
    """The one item of a code sequence, shared by all that use the code: PS3.3 8.8."""
    return (item(CodeValue=code.value, CodingSchemeDesignator=code.scheme, CodeMeaning=code.meaning),)


def reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    """A reference to an instance: PS3.3 10.8."""
    return item(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)
