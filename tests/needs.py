"""Which peers a test needs, and whether a database, read off its code and its fixtures: nobody forgets a mark.

A test has the mark of a peer when something it calls, or a fixture of it, comes to the function that finds that peer,
or starts it; that of a database when it comes to the function that makes one.
"""

import inspect
import types
from collections.abc import Iterator

import pytest

DOORS = {
    "tests.databases.lay_in": "database",
    "tests.peers.dcmtk.program": "dcmtk",
    "tests.peers.fhir_server.node_program": "node",
    "tests.peers.orthanc.orthanc_program": "orthanc",
    "tests.peers.postgres._programs": "postgresql",
    "tests.peers.softhsm.softhsm": "softhsm",
    "tests.peers.softhsm.pdfsig": "softhsm",
    "tests.xray_triage.web.conftest.serve": "page",
}

_known: dict[object, frozenset[str]] = {}  # by function or class


def needs(item: pytest.Function) -> set[str]:
    """The names of what this test needs."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    found = [reached(item.function), *(reached(each.func) for several in fixtures for each in several)]
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    chosen = {"postgresql"} if "postgresql" in map(str, parameters) else set()  # of ``database_url``
    return chosen.union(*found)


def reached(function: object) -> frozenset[str]:
    """The peers behind everything of tests/ that the function, or a method of the class, may call."""
    if function not in _known:
        _known[function] = frozenset()  # of one that calls itself
        door = DOORS.get(f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}")
        own = frozenset({door} if door else ())
        _known[function] = own.union(*map(reached, _called(function)))
    return _known[function]


def _called(function: object) -> Iterator[object]:
    if isinstance(function, type):
        yield from (each for each in vars(function).values() if isinstance(each, types.FunctionType))
    elif isinstance(function, types.FunctionType):
        own = inspect.unwrap(function)  # of a context manager
        for name in _names(own.__code__):
            yield from _ours(own.__globals__.get(name), own.__code__.co_names)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names(inner)


def _ours(value: object, attributes: tuple[str, ...]) -> Iterator[object]:
    """A function or class of tests/; of a module, those that are asked of it."""
    if isinstance(value, types.ModuleType):
        if value.__name__.startswith("tests."):
            yield from (getattr(value, name) for name in attributes if hasattr(value, name))
    elif isinstance(value, types.FunctionType | type) and value.__module__.startswith("tests."):
        yield value
