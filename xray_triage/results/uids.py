"""Derives our UIDs from what they name, so that making an object again makes the same object.

Must never know datasets, and never ask a clock or a random source.
"""

import hashlib
import json
import uuid


def derive_uid(source_sop_instance_uid: str, model_sha256: str, kind: str, *parts: str) -> str:
    """A UID ``2.25.<number>`` (PS3.5 B.2), at most 44 characters, that depends on all arguments and nothing else.

    ``model_sha256`` is empty where no model took part. ``parts`` tell several things of one kind apart.
    """
    name = json.dumps([source_sop_instance_uid, model_sha256, kind, *parts])
    digest = hashlib.sha256(name.encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"
