"""How well the model knows each X-ray machine of the site, and who said so: learning, proposed, set, and learning anew.

Joins the pure core (site.py) to what is kept of the machines. It must never know a page, nor how a model is run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from xray_triage.cases.consultation import AUTOMATIC
from xray_triage.cases.machines import KnownMachine, Machines, Setting, SettingKind
from xray_triage.model.drift import ModelInUse
from xray_triage.model.site import (
    FILMS_TO_LEARN,
    NEWEST,
    STRANGE,
    Card,
    Proposal,
    Scores,
    basis_of,
    cut_off_for,
    flagged_share,
    has_changed,
    propose,
    strangeness,
)
from xray_triage.reading.acquisition import Machine
from xray_triage.reading.findings import ABNORMAL, Acquaintance, MachineState, with_site
from xray_triage.reading.triage import severity

log = structlog.get_logger()


class SiteError(Exception):
    """This cannot be set for a machine; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a machine stands. ``scores``: of its newest films since it is learned, the newest first.

    ``cut_offs``: those in use for it. ``setting``: the last one, if there was any. ``psi``: how far its scores lie from
    what the model should say of a station's films, once known.
    """

    known: KnownMachine
    card: Card
    state: MachineState
    films: int
    scores: Sequence[Scores]
    cut_offs: Mapping[str, float]
    setting: Setting | None
    psi: float | None

    @property
    def machine(self) -> Machine:
        return self.known.machine

    @property
    def main_label(self) -> str | None:
        """The label that orders the list, or the first that can be moved; None: the card promises nothing."""
        return ABNORMAL if ABNORMAL in self.card.shares else next(iter(self.card.shares), None)

    def proposal(self) -> Proposal | None:
        """What its films say; None while they are too few, or where the model's card promises nothing."""
        return propose(self.card, self.scores) if self.films >= FILMS_TO_LEARN and self.card.movable else None

    @property
    def flagged_share(self) -> float | None:
        """Of its newest films, those that would have a mark with the cut-offs in use."""
        return flagged_share(self.scores, self.cut_offs)

    def flagged_with(self, own: Mapping[str, float]) -> float | None:
        """The same with other cut-offs of its own."""
        return flagged_share(self.scores, with_site(self.card.cut_offs, own, fixed=self.card.fixed))

    @property
    def changed(self) -> bool:
        """Whether it is learned anew because its films look otherwise than when its cut-offs were set."""
        return self.setting is not None and self.setting.kind is SettingKind.CHANGED

    @property
    def strange(self) -> bool:
        """Whether its films are unlike those that the model knows."""
        return self.psi is not None and self.psi > STRANGE

    def for_next_film(self) -> Acquaintance:
        """What is to be said with the film that comes now."""
        return Acquaintance(
            state=self.state,
            films=self.films + 1,
            needed=FILMS_TO_LEARN,
            changed=self.changed,
            strange=self.strange,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What there is to know before a film is read: of its machine, the cut-offs that were set for it, and its gravest.

    ``severe_from``: the severity (triage.py) above which the gravest of its films lie; None: not known, or not wanted.
    """

    known: Acquaintance
    cut_offs: Mapping[str, float] = field(default_factory=dict)
    severe_from: float | None = None


class Site:
    """The machines of this site under one model. ``accepts``: by whom a proposal is taken, a person or at once."""

    def __init__(self, machines: Machines, *, accepts: Literal["ask", "auto"] = "ask") -> None:
        self._machines = machines
        self._accepts = accepts

    def standings(self, card: Card) -> list[Standing]:
        """Every machine of which the model read a film."""
        return [self._standing(known, card) for known in self._machines.known(card.model_sha256)]

    def meet(self, made_by: Machine, card: Card, *, urgent_share: float = 0.0) -> Met:
        """Before a film is read: what is known of its machine.

        Here it is noticed that a machine has changed, and here the policy takes a proposal by itself. The gravest
        ``urgent_share`` of films is told of a machine whose cut-offs are set, out of its newest ones.
        """
        known = self._machines.find(card.model_sha256, made_by)
        if known is None:
            return Met(known=Acquaintance(state=MachineState.LEARNING, films=1, needed=FILMS_TO_LEARN))
        standing = self._standing(known, card)
        if self._has_changed(standing, card):
            self._forget(standing)
            standing = self._standing(known, card)
        elif self._accepts == "auto" and _may_be_taken_unseen(standing):
            self.accept(known.machine_id, card, by=AUTOMATIC)
            standing = self._standing(known, card)
        if standing.setting is None or standing.state is not MachineState.SET:
            return Met(known=standing.for_next_film())
        grave = [severity(film) for film in standing.scores] if urgent_share else []
        return Met(
            known=standing.for_next_film(),
            cut_offs=standing.setting.cut_offs,
            severe_from=cut_off_for(grave, urgent_share) if grave else None,
        )

    def accept(self, machine_id: int, card: Card, *, by: str) -> Standing:
        """Take what the machine's films say, from its next film on. Raises SiteError while they are too few."""
        standing = self._find(machine_id, card)
        proposal = standing.proposal()
        if proposal is None:
            seen = f"{standing.films} of {FILMS_TO_LEARN} films were read"
            promises = "" if card.movable else "; and this model's card promises nothing to go by"
            raise SiteError(f"{standing.machine or 'this machine'}: nothing can be proposed yet: {seen}{promises}")
        bounded = (*proposal.at_upper, *proposal.at_lower)
        setting = Setting(
            kind=SettingKind.SET,
            by=by,
            after_image=standing.setting.after_image if standing.setting else 0,
            cut_offs=proposal.cut_offs,
            basis=basis_of(standing.scores, card.movable),
            note=f"stopped at a bound: {', '.join(bounded)}" if bounded else "",
        )
        self._keep(standing, setting)
        return self._find(machine_id, card)

    def reset(self, machine_id: int, card: Card, *, by: str) -> Standing:
        """Go back to the bundle's cut-offs; its films without a mark are then cleared no more."""
        standing = self._find(machine_id, card)
        after = standing.setting.after_image if standing.setting else 0
        self._keep(standing, Setting(kind=SettingKind.RESET, by=by, after_image=after))
        return self._find(machine_id, card)

    def _find(self, machine_id: int, card: Card) -> Standing:
        for standing in self.standings(card):
            if standing.known.machine_id == machine_id:
                return standing
        raise SiteError(f"no machine has the number {machine_id}; list them with: xray-triage model site")

    def _standing(self, known: KnownMachine, card: Card) -> Standing:
        setting = next(iter(self._machines.settings(known.machine_id)), None)
        after = setting.after_image if setting else 0
        films = self._machines.films(known.machine_id, after_image=after)
        scores = self._machines.scores(known.machine_id, newest=FILMS_TO_LEARN, after_image=after)
        is_set = setting is not None and setting.kind is SettingKind.SET
        own = setting.cut_offs if setting and is_set else {}
        ready = films >= FILMS_TO_LEARN and card.movable
        unset = MachineState.PROPOSED if ready else MachineState.LEARNING
        return Standing(
            known=known,
            card=card,
            state=MachineState.SET if is_set else unset,
            films=films,
            scores=scores,
            cut_offs=with_site(card.cut_offs, own, fixed=card.fixed),
            setting=setting,
            psi=strangeness(card, scores),
        )

    def _has_changed(self, standing: Standing, card: Card) -> bool:
        """Whether the newest films lie otherwise than those that were learned: since then, or while learning."""
        if standing.state is MachineState.LEARNING:
            return False
        if standing.setting and standing.state is MachineState.SET:
            basis = standing.setting.basis
        else:
            basis = basis_of(standing.scores[NEWEST:], card.movable)
        return has_changed(basis, standing.scores[:NEWEST])

    def _forget(self, standing: Standing) -> None:
        last = self._machines.last_film(standing.known.machine_id)
        note = f"the newest {NEWEST} films lie otherwise than those before"
        self._keep(standing, Setting(kind=SettingKind.CHANGED, by=AUTOMATIC, after_image=last, note=note))

    def _keep(self, standing: Standing, setting: Setting) -> None:
        self._machines.keep(standing.known, setting)
        log.warning("cut-offs changed", machine=str(standing.machine), what=setting.kind.value, by=setting.by)


def machines_under(machines: Machines, model: ModelInUse | None) -> list[Standing]:
    """Where the site's machines stand under the model in use; none while AI is off."""
    return Site(machines).standings(model.card) if model and model.card else []


def _may_be_taken_unseen(standing: Standing) -> bool:
    """Without a person: nobody took it back before, and no cut-off would have had to go lower than it may."""
    taken_back = standing.setting is not None and standing.setting.kind is SettingKind.RESET
    if standing.state is not MachineState.PROPOSED or taken_back:
        return False
    proposal = standing.proposal()
    return proposal is not None and not proposal.at_lower
