"""Who may speak to the listener, and how much."""

from collections.abc import Sequence

import pytest

from dicom_router.upper_layer.gatekeeper import (
    UNKNOWN_CALLER,
    WRONG_CALLED_TITLE,
    AllowedPeer,
    Gatekeeper,
    ListenerLimits,
    Rejection,
    Visit,
)


def judge(
    allow: Sequence[AllowedPeer], *, host: str, called: str = "STATION", calling: str = "XRAY1"
) -> Rejection | None:
    gatekeeper = Gatekeeper(ListenerLimits(ae_title="STATION", allow=tuple(allow)))
    return gatekeeper.judge(host=host, called_ae_title=called, calling_ae_title=calling)


def test_without_an_allow_list_everybody_on_this_machine_may_speak() -> None:
    assert judge([], host="127.0.0.1") is None
    assert judge([], host="127.8.8.8") is None
    assert judge([], host="::1") is None


def test_without_an_allow_list_nobody_from_the_network_may_speak() -> None:
    assert judge([], host="192.168.1.20") == UNKNOWN_CALLER


def test_an_allowed_machine_may_speak_from_its_address_only() -> None:
    allow = [AllowedPeer(ae_title="XRAY1", host="192.168.1.20"), AllowedPeer(ae_title="XRAY2", host="192.168.1.21")]
    assert judge(allow, host="192.168.1.20") is None
    assert judge(allow, host="192.168.1.21") == UNKNOWN_CALLER
    assert judge(allow, host="192.168.1.21", calling="XRAY2") is None


def test_an_allow_list_holds_for_this_machine_too() -> None:
    assert judge([AllowedPeer(ae_title="XRAY1", host="192.168.1.20")], host="127.0.0.1") == UNKNOWN_CALLER


def test_an_allowed_machine_may_be_named() -> None:
    assert judge([AllowedPeer(ae_title="XRAY1", host="localhost")], host="127.0.0.1") is None


def test_a_name_that_does_not_resolve_lets_nobody_in() -> None:
    assert judge([AllowedPeer(ae_title="XRAY1", host="no-such-machine.invalid")], host="127.0.0.1") == UNKNOWN_CALLER


def test_a_machine_that_calls_somebody_else_is_told_so() -> None:
    assert judge([], host="127.0.0.1", called="OTHER") == WRONG_CALLED_TITLE


@pytest.mark.parametrize(("rejection", "numbers"), [(UNKNOWN_CALLER, (1, 1, 3)), (WRONG_CALLED_TITLE, (1, 1, 7))])
def test_rejections_have_the_numbers_of_the_standard(rejection: Rejection, numbers: tuple[int, int, int]) -> None:
    assert (rejection.result, rejection.source, rejection.reason) == numbers


def test_only_so_many_connections_of_one_address_may_wait() -> None:
    gatekeeper = Gatekeeper(ListenerLimits(ae_title="STATION", max_waiting_per_host=2))
    first, second = gatekeeper.knock("10.0.0.1"), gatekeeper.knock("10.0.0.1")
    assert first is not None
    assert second is not None
    assert gatekeeper.knock("10.0.0.1") is None
    assert gatekeeper.knock("10.0.0.2") is not None
    first.leave()
    assert gatekeeper.knock("10.0.0.1") is not None


def test_only_so_many_connections_may_wait_at_all() -> None:
    gatekeeper = Gatekeeper(ListenerLimits(ae_title="STATION", max_waiting=3))
    assert all(gatekeeper.knock(f"10.0.0.{number}") for number in range(3))
    assert gatekeeper.knock("10.0.0.9") is None


def enter(gatekeeper: Gatekeeper, host: str) -> Visit | None:
    """A machine's new association, or None where it gets no place."""
    visit = gatekeeper.knock(host)
    assert visit is not None
    if visit.enter():
        return visit
    visit.leave()
    return None


def test_one_address_that_holds_all_its_places_leaves_room_for_others() -> None:
    gatekeeper = Gatekeeper(ListenerLimits(ae_title="STATION", max_associations=4))
    greedy = [enter(gatekeeper, "10.0.0.1") for _ in range(6)]
    assert sum(visit is not None for visit in greedy) == 4
    assert sum(enter(gatekeeper, "10.0.0.2") is not None for _ in range(6)) == 2
    assert enter(gatekeeper, "10.0.0.3") is not None
    assert enter(gatekeeper, "10.0.0.1") is None
    for visit in filter(None, greedy):
        visit.leave()
    assert enter(gatekeeper, "10.0.0.1") is not None


def test_all_addresses_together_get_twice_as_many() -> None:
    gatekeeper = Gatekeeper(ListenerLimits(ae_title="STATION", max_associations=10, max_waiting=100))
    entered = [enter(gatekeeper, f"10.0.0.{number}") for number in range(50)]
    assert sum(visit is not None for visit in entered) == 20


def test_a_machine_inside_waits_no_longer_and_gives_its_place_back() -> None:
    gatekeeper = Gatekeeper(ListenerLimits(ae_title="STATION", max_associations=1, max_waiting_per_host=1))
    inside = gatekeeper.knock("10.0.0.1")
    assert inside is not None
    assert inside.enter()
    outside = gatekeeper.knock("10.0.0.1")
    assert outside is not None
    assert not outside.enter()
    inside.leave()
    assert outside.enter()
