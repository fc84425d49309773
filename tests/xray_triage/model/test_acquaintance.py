"""Machines that are met, learned, proposed for, set, changed and learned anew, over SQLite and PostgreSQL."""

from dataclasses import replace

import numpy as np
import pytest

from tests.factories import film
from tests.xray_triage.desk import MODEL, TestDesk, reading, unread
from xray_triage.accounts.audit import Action
from xray_triage.cases.consultation import AUTOMATIC
from xray_triage.cases.machines import SettingKind
from xray_triage.model.acquaintance import SiteError, Standing
from xray_triage.model.site import FILMS_TO_LEARN, NEWEST, Card
from xray_triage.reading.acquisition import Machine
from xray_triage.reading.findings import MachineState, Priority, Reading
from xray_triage.reading.triage import severity

CARD = Card(
    model_sha256=MODEL.sha256,
    cut_offs={"pneumothorax": 0.5, "cardiomegaly": 0.5},
    shares={"pneumothorax": 0.3, "cardiomegaly": 0.3},
)
GE = Machine(manufacturer="GE", model="Definium", station="DX1")
FUJI = Machine(manufacturer="FUJIFILM", model="FDR", station="CR2")
NAMELESS = Machine()


def put(
    desk: TestDesk, machine: Machine, films: int, *, at: float = 0.5, seed: int = 0, detail: float | None = None
) -> None:
    """So many films of a machine, whose scores lie around ``at``, and each energy that they came with by ``detail``."""
    chance = np.random.default_rng(seed)
    said = np.clip(chance.normal(at, 0.1, (films, 2)), 0.01, 0.99).tolist()
    read = [reading(Priority.NORMAL, pneumothorax=one, cardiomegaly=other) for one, other in said]
    if detail is not None:
        came = chance.normal(detail, detail / 10, (films, 7)).tolist()
        read = [came_with(one, energies) for one, energies in zip(read, came, strict=True)]
    desk.put(read, machine)


def came_with(one: Reading, energies: list[float]) -> Reading:
    assert one.findings is not None
    return replace(one, findings=replace(one.findings, detail=tuple(energies)))


def standing(desk: TestDesk, machine: Machine = GE, card: Card = CARD) -> Standing:
    return next(one for one in desk.site().standings(card) if one.machine == machine)


def number(desk: TestDesk, machine: Machine = GE) -> int:
    return standing(desk, machine).known.machine_id


def state(desk: TestDesk, machine: Machine = GE) -> str:
    return standing(desk, machine).state.value


def test_a_machine_that_nobody_met_is_learned_from_its_first_film(desk: TestDesk) -> None:
    met = desk.site().meet(GE, CARD)
    known, cut_offs = met.known, met.cut_offs
    assert (known.state, known.films, known.calibrated) == (MachineState.LEARNING, 1, False)
    assert cut_offs == {}
    assert desk.site().standings(CARD) == []


def test_a_machine_is_learned_proposed_for_and_set(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN - 1)
    assert state(desk) == "learning"
    with pytest.raises(SiteError, match="199 of 200 films"):
        desk.site().accept(number(desk), CARD, by="admin")
    put(desk, GE, 1)
    assert state(desk) == "proposed"
    assert not desk.site().meet(GE, CARD).known.calibrated  # nobody has accepted anything
    proposal = standing(desk).proposal()
    assert proposal is not None
    accepted = desk.site().accept(number(desk), CARD, by="admin")
    met = desk.site().meet(GE, CARD)
    known, cut_offs = met.known, met.cut_offs
    assert accepted.state is known.state is MachineState.SET
    assert cut_offs == proposal.cut_offs == accepted.cut_offs
    assert known.calibrated


def test_two_machines_of_one_station_are_learned_apart_and_flagged_alike(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN, at=0.3)
    put(desk, FUJI, FILMS_TO_LEARN, at=0.7)
    put(desk, NAMELESS, 3)
    before = [standing(desk, one).flagged_share for one in (GE, FUJI)]
    assert before == [pytest.approx(0.05, abs=0.05), pytest.approx(1, abs=0.05)]
    for one in (GE, FUJI):
        desk.site().accept(number(desk, one), CARD, by="admin")
    after = [standing(desk, one).flagged_share for one in (GE, FUJI)]
    assert after[0] == pytest.approx(after[1], abs=0.05)
    assert [one.films for one in desk.site().standings(CARD)] == [FILMS_TO_LEARN, FILMS_TO_LEARN, 3]


def test_films_that_were_not_read_and_those_of_another_model_do_not_count(desk: TestDesk) -> None:
    put(desk, GE, 5)
    desk.put([unread("child"), unread("not_frontal"), unread("not_a_chest")] * 80, GE)
    other = replace(MODEL, sha256="cd" * 32)
    desk.put([replace(reading(), model=other)] * 7, GE)
    assert standing(desk).films == 5
    assert standing(desk, card=replace(CARD, model_sha256=other.sha256)).films == 7


def test_a_film_that_could_not_be_read_the_second_time_counts_no_more(desk: TestDesk) -> None:
    arrival = desk.receive(dataset := film())
    for outcome, films in ((reading(), 1), (unread("model_failed"), 0)):
        desk.record(arrival, dataset, outcome)
        with desk.database.write() as connection:
            if outcome.findings:
                desk.machines.count(connection, dataset.SOPInstanceUID, GE, MODEL.sha256)
        assert standing(desk).films == films


def test_a_site_of_three_films_a_week_stays_in_learning_for_a_year(desk: TestDesk) -> None:
    put(desk, GE, 3 * 52)
    known = desk.site("auto").meet(GE, CARD).known
    assert (known.state, known.films, known.needed) == (MachineState.LEARNING, 157, 200)


def test_the_policy_may_take_a_proposal_at_once(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN)
    assert not desk.site("ask").meet(GE, CARD).known.calibrated
    met = desk.site("auto").meet(GE, CARD)
    known, cut_offs = met.known, met.cut_offs
    assert known.calibrated
    assert cut_offs
    (entry,) = desk.audit.entries()
    assert (entry.action, entry.actor, entry.subject) == (Action.CUT_OFFS_SET, AUTOMATIC, str(GE))


def test_the_policy_takes_no_proposal_that_had_to_stop_at_the_lower_bound(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN, at=-0.3)
    assert standing(desk).proposal().at_lower  # type: ignore[union-attr]
    assert desk.site("auto").meet(GE, CARD).known.state is MachineState.PROPOSED
    assert "stopped at a bound" in (desk.site().accept(number(desk), CARD, by="admin").setting.note)  # type: ignore[union-attr]


def test_going_back_is_one_step_and_the_policy_does_not_undo_it(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN)
    desk.site().accept(number(desk), CARD, by="mai")
    desk.site().reset(number(desk), CARD, by="binh")
    met = desk.site("auto").meet(GE, CARD)
    known, cut_offs = met.known, met.cut_offs
    assert (known.state, cut_offs) == (MachineState.PROPOSED, {})
    kept = desk.machines.settings(number(desk))
    assert [(one.kind, one.by) for one in kept] == [(SettingKind.RESET, "binh"), (SettingKind.SET, "mai")]
    assert [entry.action for entry in desk.audit.entries()] == [Action.CUT_OFFS_RESET, Action.CUT_OFFS_SET]
    desk.site().accept(number(desk), CARD, by="mai")
    assert state(desk) == "set"


@pytest.mark.parametrize("is_set", [True, False], ids=["set", "proposed"])
def test_a_machine_that_changes_is_noticed_within_fifty_films_and_learned_anew(desk: TestDesk, is_set: bool) -> None:
    put(desk, GE, FILMS_TO_LEARN, at=0.4)
    if is_set:
        desk.site().accept(number(desk), CARD, by="admin")
    put(desk, GE, NEWEST, at=0.4, seed=1)
    assert desk.site().meet(GE, CARD).known.calibrated == is_set
    put(desk, GE, NEWEST, at=0.6, seed=2)
    met = desk.site().meet(GE, CARD)
    known, cut_offs = met.known, met.cut_offs
    assert (known.state, known.films, known.changed) == (MachineState.LEARNING, 1, True)
    assert cut_offs == {}
    with pytest.raises(SiteError, match="0 of 200"):
        desk.site().accept(number(desk), CARD, by="admin")
    put(desk, GE, FILMS_TO_LEARN, at=0.6, seed=3)
    desk.site().accept(number(desk), CARD, by="admin")
    known = desk.site().meet(GE, CARD).known
    assert (known.state, known.changed) == (MachineState.SET, False)


def test_films_whose_detail_changes_are_learned_anew_though_their_scores_stay(desk: TestDesk) -> None:
    """A bundle that brings films to one look hardly moves its scores when a machine sharpens them."""
    put(desk, GE, FILMS_TO_LEARN, detail=0.02)
    desk.site().accept(number(desk), CARD, by="admin")
    put(desk, GE, NEWEST, detail=0.02, seed=1)
    assert desk.site().meet(GE, CARD).known.calibrated
    put(desk, GE, NEWEST, detail=0.03, seed=2)
    known = desk.site().meet(GE, CARD).known
    assert (known.state, known.films, known.changed) == (MachineState.LEARNING, 1, True)


def test_films_of_before_there_was_detail_are_no_change(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN)
    desk.site().accept(number(desk), CARD, by="admin")
    put(desk, GE, NEWEST, detail=0.03, seed=1)
    assert desk.site().meet(GE, CARD).known.calibrated


def test_no_machine_of_that_number_is_said(desk: TestDesk) -> None:
    with pytest.raises(SiteError, match="no machine has the number 7"):
        desk.site().reset(7, CARD, by="admin")


def test_a_card_that_promises_nothing_proposes_nothing(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN)
    mute = replace(CARD, shares={})
    assert standing(desk, card=mute).state is MachineState.LEARNING
    with pytest.raises(SiteError, match="promises nothing"):
        desk.site().accept(number(desk), mute, by="admin")


def test_station_toml_goes_before_what_was_set(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN)
    desk.site().accept(number(desk), CARD, by="admin")
    own = replace(CARD, cut_offs={"pneumothorax": 0.11, "cardiomegaly": 0.5}, fixed=frozenset({"pneumothorax"}))
    assert standing(desk, card=own).cut_offs["pneumothorax"] == 0.11
    assert standing(desk, card=own).cut_offs["cardiomegaly"] != 0.5


def test_the_gravest_films_are_told_of_a_machine_that_is_set_and_only_of_it(desk: TestDesk) -> None:
    put(desk, GE, FILMS_TO_LEARN)
    assert desk.site().meet(GE, CARD, urgent_share=0.05).severe_from is None
    desk.site().accept(number(desk), CARD, by="admin")
    met = desk.site().meet(GE, CARD, urgent_share=0.05)
    assert met.severe_from is not None
    assert sum(severity(film) > met.severe_from for film in standing(desk).scores) == FILMS_TO_LEARN // 20
    assert desk.site().meet(GE, CARD).severe_from is None
