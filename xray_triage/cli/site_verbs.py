"""The verb about the site's X-ray machines: model site."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from xray_triage.cli.options import AsJson, ConfigPath
from xray_triage.console import out, print_json

if TYPE_CHECKING:
    from xray_triage.model.acquaintance import Standing
    from xray_triage.model.site import Proposal

BARS = " ▁▂▃▄▅▆▇█"
HEADINGS = ("number", "machine", "state", "films", "PSI", "flagged", "then")


def add_to(app: typer.Typer) -> None:
    """Hang the verb of this module on ``app``."""
    app.command()(site)


def site(
    machine: Annotated[int, typer.Option("--machine", help="Its number in the table.", show_default=False)] = 0,
    accept: Annotated[bool, typer.Option("--accept", help="Take the cut-offs proposed for --machine.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the bundle's cut-offs for --machine.")] = False,
    as_json: AsJson = False,
    config: ConfigPath = None,
) -> None:
    """Show the X-ray machines, and accept or take back their own cut-offs.

    A machine is learned for 200 films; till its cut-offs are accepted no film
    of it is cleared. They are put where the share of films flagged is the one
    that the model's card promises for a station. What is accepted holds from
    the machine's next film on, without a restart; --reset undoes it.
    """
    from dicom_router.clock import SystemClock
    from xray_triage.cli.account_verbs import command_line_user
    from xray_triage.config.loading import load_config
    from xray_triage.model.acquaintance import Site
    from xray_triage.model.selection import chosen_folder
    from xray_triage.model.shapes import MachineJson
    from xray_triage.model.site import card_of
    from xray_triage.reading.bundle import load_manifest
    from xray_triage.stores import open_stores

    if accept and reset:
        raise typer.BadParameter("accept or reset, not both", param_hint="--accept")
    if (accept or reset) and not machine:
        raise typer.BadParameter("say which machine, by its number in the table", param_hint="--machine")
    settings = load_config(config)
    card = card_of(load_manifest(chosen_folder(settings)), settings.model.thresholds)
    stores = open_stores(settings, role="site", clock=SystemClock())
    machines = Site(stores.machines)
    if accept:
        machines.accept(machine, card, by=command_line_user())
    elif reset:
        machines.reset(machine, card, by=command_line_user())
    shown = [one for one in machines.standings(card) if machine in (0, one.known.machine_id)]
    if as_json:
        for standing in shown:
            proposal = standing.proposal()
            print_json(
                {"number": standing.known.machine_id}
                | MachineJson.model_validate(standing).model_dump(mode="json")
                | {"proposed": dict(proposal.cut_offs) if proposal else None}
            )
        return
    _print_table(shown)
    for standing in shown if machine else []:
        _print_one(standing)


def _print_table(standings: "list[Standing]") -> None:
    if not standings:
        out.print("No film was read yet with this model.")
        return
    table = Table(*HEADINGS)
    for one in standings:
        proposal = one.proposal()
        table.add_row(
            str(one.known.machine_id),
            str(one.machine) or "–",
            f"{one.state.value}{' (its films have changed)' if one.changed else ''}",
            str(one.films),
            "–" if one.psi is None else f"{one.psi:.2f}{'!' if one.strange else ''}",
            _share(one.flagged_share),
            _share(one.flagged_with(proposal.cut_offs) if proposal else None),
        )
    out.print(table)


def _print_one(standing: "Standing") -> None:
    """Where its scores lie, and every cut-off: the bundle's, the one in use, the proposed."""
    from xray_triage.model.site import spread_of

    proposal, label = standing.proposal(), standing.main_label
    if label is not None:
        counts = spread_of(standing.scores, label, 50)
        most = max(counts) or 1
        out.print(f"{label} of its newest {len(standing.scores)} films, 0 to 1:")
        out.print("".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in counts))
        out.print(_marks(standing, proposal, label))
    table = Table(*(Column(name, justify="right") for name in ("label", "bundle's", "in use", "proposed", "")))
    for name, cut in standing.card.cut_offs.items():
        proposed = proposal.cut_offs.get(name) if proposal else None
        at_bound = proposal is not None and name in (*proposal.at_upper, *proposal.at_lower)
        why = "station.toml" if name in standing.card.fixed else "stopped at a bound" if at_bound else ""
        table.add_row(name, f"{cut:.3f}", f"{standing.cut_offs[name]:.3f}", f"{proposed:.3f}" if proposed else "–", why)
    out.print(table)


def _marks(standing: "Standing", proposal: "Proposal | None", label: str) -> str:
    line = [" "] * 51
    marks = {"b": standing.card.cut_offs.get(label), "u": standing.cut_offs.get(label)}
    marks["p"] = proposal.cut_offs.get(label) if proposal else None
    for mark, cut in marks.items():
        if cut is not None:
            line[int(cut * 50)] = mark
    return "".join(line).rstrip() + "   (b the bundle's cut-off, u in use, p proposed)"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"
