"""A test that comes to a peer by whatever way is marked with it; one that does not is not."""

from pathlib import Path

import pytest

from tests.needs import needs, reached
from tests.peers import dcmtk
from tests.peers.dcmtk import RunningStorescp, dciodvfy, sender_option


def verified(path: Path) -> bool:
    return not dciodvfy(path)


class Verifier:
    def look(self) -> bool:
        return verified(Path())


def dumped(path: Path) -> str:
    return dcmtk.dcmdump(path)


@pytest.mark.parametrize("way", [dciodvfy, verified, Verifier, dumped], ids=["direct", "indirect", "method", "module"])
def test_what_runs_a_program_of_dcmtk_needs_it(way: object) -> None:
    assert reached(way) == {"dcmtk"}


def test_to_ask_a_peers_module_for_what_it_knows_needs_nobody() -> None:
    assert not reached(sender_option)


@pytest.mark.usefixtures("start_storescp")
def test_a_fixture_is_enough(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("dcmtk")


def test_types_alone_are_not(request: pytest.FixtureRequest) -> None:
    peers: list[RunningStorescp] = []
    assert not peers
    assert not needs(request.node)


def test_one_of_both_databases_needs_a_server(request: pytest.FixtureRequest, database_url: str) -> None:
    is_server = database_url.startswith("postgresql")
    assert needs(request.node) == {"database"} | ({"postgresql"} if is_server else set())
