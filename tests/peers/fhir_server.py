"""A FHIR R4 server with two validators before it, by Node.js: tests/peers/fhir. Knows nothing of ours."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

FOLDER = Path(__file__).parent / "fhir"
WITH_NODE = Path(__file__).parents[2] / "tools" / "with-node"


@dataclass(frozen=True)
class FhirServer:
    """One that runs."""

    url: str

    def get(self, path: str) -> Any:
        """What a GET answers, parsed."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return json.load(answer)

    def find(self, kind: str, identifier: str = "") -> list[dict[str, Any]]:
        """Its resources of a kind; those with an identifier ``system|value``."""
        narrowed = f"&identifier={quote(identifier, safe='')}" if identifier else ""
        bundle = self.get(f"/{kind}?_count=1000{narrowed}")
        return [entry["resource"] for entry in bundle.get("entry") or ()]

    def clear(self) -> None:
        """Forget every resource: a search looks at each."""
        self.get("/_clear")

    @property
    def posted(self) -> int:
        """How many requests with a body came."""
        return int(self.get("/_posted")["posted"])


def node_program() -> list[str]:
    """How Node.js is started for the server; a test that needs it is skipped where its packages are not installed."""
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip(f"npm --prefix {FOLDER} ci has not been run; make test does")
    return [str(WITH_NODE), sys.prefix, "node", str(FOLDER / "server.mjs")]


@contextmanager
def running_fhir_server(port: int = 0) -> Iterator[FhirServer]:
    """Empty at first, on a port that is free where none is named."""
    process = subprocess.Popen([*node_program(), str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline().strip()
        assert said, "it did not start"
        yield FhirServer(url=f"http://127.0.0.1:{said}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def fhir_server() -> Iterator[FhirServer]:
    """Empty at first."""
    with running_fhir_server() as server:
        yield server
