"""The documents say what the program does: verbs, configuration, files, DICOM tables, log events, metrics, banners."""

import ast
import inspect
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from pydicom.charset import python_encoding
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit

from dicom_router.clock import SystemClock
from dicom_router.dicom import uids
from dicom_router.dicom.status import Status, check_answer
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.scp import commitment, modality_worklist, performed_step, provider, storage
from dicom_router.transport import compression, dimse, forwarder
from dicom_router.upper_layer import connection, gatekeeper, pdu, requestor
from xray_triage.cli import app
from xray_triage.config.loading import check_config, load_config
from xray_triage.hl7.message import MOST_BYTES
from xray_triage.orders import listener, orm
from xray_triage.orders.order import Order, OrderState, Registration
from xray_triage.orders.orders import LONGEST_LIST, OFFERED_DAYS
from xray_triage.orders.worklist_entries import entry_of
from xray_triage.reading.eligibility import FILM_CLASSES, SMALLEST_SIDE, Admission
from xray_triage.reading.findings import REASONS, Code
from xray_triage.reading.naming import TOLD
from xray_triage.reading.picture.decoding import DECODERS, NATIVE
from xray_triage.records import document
from xray_triage.results import capture, codes, presentation, report, request
from xray_triage.station.setup import Choices, write_config

ROOT = Path(__file__).resolve().parent.parent
DOCS = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "models/README.md", "models/TRIED.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
CONFORMANCE = (ROOT / "docs" / "CONFORMANCE.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
SOURCES = [path for package in ("dicom_router", "xray_triage") for path in sorted((ROOT / package).rglob("*.py"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
PROGRAM = re.compile(r"(?<![\w/.-])xray-triage(?=\s|$)")
TABLE_RULE = re.compile(r"\|[-| ]+\|")

every_document = pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))


def spans(text: str) -> list[str]:
    """What stands between backticks, outside code blocks."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def rows(text: str, heading: str) -> list[list[str]]:
    """The rows under the first table after the line that begins with ``heading``, cell by cell."""
    lines = iter(text[text.index(f"\n{heading}") + 1 :].splitlines())
    while not TABLE_RULE.fullmatch(next(lines)):
        pass
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    assert found, heading
    return found


# The command line


def command_lines(text: str) -> Iterator[list[str]]:
    """The words after every ``xray-triage`` that stands in code."""
    code = [line for _, _, block in FENCE.findall(text) for line in block.splitlines()] + spans(text)
    if "\n| verb |" in text:  # a table of verbs leaves the program's name out
        code += [f"xray-triage {span}" for cell, *_ in rows(text, "| verb |") for span in spans(cell)]
    for line in code:
        for part in re.split(r"&&|;|\s\|\s", line):
            found = PROGRAM.search(part)
            words = shlex.split(part[found.end() :].replace(r"\|", "|"), comments=True) if found else []
            if words and not words[0].isupper():  # "xray-triage VERB" names none
                yield [word.strip("[]") for word in words]


def problem_with(command: Any, words: list[str]) -> str:
    """Why this is no command line of ours, or nothing. ``list|verify`` stands for both."""
    verbs = getattr(command, "commands", {})
    if words and verbs.keys() >= set(words[0].split("|")):
        problems = (problem_with(verbs[name], words[1:]) for name in words[0].split("|"))
        return next(filter(None, problems), "")
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"-h", "--help"}
    strange = [word for word in words if word.startswith("-") and word.split("=")[0] not in options]
    if strange:
        return f"{command.name} has no option {strange[0]}"
    if verbs and words and words[0] not in options:
        return f"{command.name} has no verb {words[0]}"
    return ""


@every_document
def test_every_verb_and_option_in_a_document_exists(path: Path) -> None:
    command = typer.main.get_command(app)
    lines = command_lines(path.read_text(encoding="utf-8"))
    problems = {" ".join(words): problem for words in lines if (problem := problem_with(command, words))}
    assert not problems


def test_a_verb_or_an_option_that_does_not_exist_is_noticed() -> None:
    command = typer.main.get_command(app)
    text = 'Run `xray-triage quueue` or\n```sh\nsudo -u xray xray-triage consult CASE --question "a b" --now\n```'
    consult, quueue = (problem_with(command, words) for words in command_lines(text))
    assert "no verb quueue" in quueue
    assert consult == "consult has no option --now"


# Configuration


TOML_BLOCKS = [
    pytest.param(textwrap.dedent(block), id=f"{path.name}-{number}")
    for path in DOCS
    for number, (_, language, block) in enumerate(FENCE.findall(path.read_text(encoding="utf-8")))
    if language == "toml"
]


@pytest.mark.parametrize("block", TOML_BLOCKS)
def test_every_configuration_in_a_document_is_accepted(block: str) -> None:
    check_config(tomllib.loads(block), source=Path("station.toml"))
    commented = re.sub(r"^# (?=\w+ = )", "", block, flags=re.MULTILINE)
    check_config(tomllib.loads(commented), source=Path("station.toml"))


@pytest.mark.parametrize("answers", [Choices(), Choices(pacs_host="10.0.0.1")], ids=["no PACS", "PACS"])
def test_the_first_configuration_is_accepted_with_every_example_in_it(tmp_path: Path, answers: Choices) -> None:
    path = tmp_path / "station.toml"
    write_config(path, answers)
    assert len(load_config(path).destination) == bool(answers.pacs_host)
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^# (?=\[\[|\w+ = )", "", text, flags=re.MULTILINE), encoding="utf-8")
    assert len(load_config(path).destination) == 1


def test_the_configuration_of_the_compose_file_is_accepted() -> None:
    assert load_config(ROOT / "deploy" / "station.toml").destination


# Files


@every_document
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert not [target for target in targets if target and not (path.parent / target).exists()]


@every_document
def test_files_named_in_a_document_exist(path: Path) -> None:
    known = {file.relative_to(ROOT).as_posix() for file in SOURCES}
    known |= {f"{folder}/" for file in known for folder in Path(file).parents}
    named = {span for span in spans(path.read_text(encoding="utf-8")) if re.fullmatch(r"\w[\w./-]*(\.(py|md)|/)", span)}
    ours = {
        name for name in named if name.endswith((".py", ".md")) or name.startswith(("dicom_router/", "xray_triage/"))
    }
    missing = {
        name
        for name in ours
        if not (ROOT / name).exists() and not any(f"/{each}".endswith(f"/{name}") for each in known)
    }
    assert not missing


# Form


def too_long(text: str) -> list[str]:
    """The lines over 120 columns, where a line can be broken: no code, no row of a table, no target of a link."""
    lines = FENCE.sub("", text).splitlines()
    return [line for line in lines if not line.startswith("|") and len(re.sub(r"\]\(\S+\)", "]", line)) > 120]


@every_document
def test_no_line_of_prose_is_over_120_columns(path: Path) -> None:
    assert not too_long(path.read_text(encoding="utf-8"))


def test_a_long_line_is_noticed_and_what_cannot_be_broken_is_not() -> None:
    long = "word " * 25
    assert too_long(f"Title\n\n{long}\n") == [long]
    assert not too_long(f"| {long} |\n```\n{long}\n```\n[a page](decisions/{'x' * 120}.md)\n")


# The conformance statement


def test_it_lists_the_accepted_transfer_syntaxes_in_our_order() -> None:
    table = rows(CONFORMANCE, "**Presentation contexts.**")
    assert tuple(uid for _, uid, _ in table) == uids.TRANSFER_SYNTAXES
    assert {uid for _, uid, read in table if read == "yes"} <= {*DECODERS, *NATIVE}


def test_it_lists_the_classes_that_are_read() -> None:
    listed = {uid for _, uid in rows(CONFORMANCE, "**SOP classes.**")}
    assert listed == FILM_CLASSES
    assert all(map(uids.is_storage, listed))
    assert not uids.is_storage("1.2.840.10008.5.1.4.34.7")  # its example of a class that is not accepted


def test_it_lists_the_presentation_contexts_that_are_proposed() -> None:
    names = {
        "Explicit VR LE": ExplicitVRLittleEndian,
        "Implicit VR LE": ImplicitVRLittleEndian,
        "JPEG Baseline": JPEGBaseline8Bit,
    }
    table = rows(CONFORMANCE, "**Presentation contexts proposed.**")[:-1]
    listed = {(uid, names[name]) for _, uid, syntaxes in table for name in syntaxes.split(", ")}
    assert listed == {(each.sop_class_uid, each.transfer_syntax_uid) for each in dimse.USUAL}


def answered_statuses(module: ModuleType) -> set[int]:
    """What ``module`` answers with: every constant that it gives to a Response or a refusal."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    named = [ast.unparse(node.args[0]) for node in calls if ast.unparse(node.func) in ("Response", "Refused")]
    return {Status[name.removeprefix("Status.")] for name in named if name.startswith("Status.")}


def test_it_lists_every_status_that_the_listener_answers() -> None:
    listed = {int(code, 16) for code, *_ in rows(CONFORMANCE, "**Status of C-STORE")}
    assert listed == answered_statuses(storage) | answered_statuses(provider)


def named_statuses(module: ModuleType) -> set[int]:
    """Every status that ``module`` names, of the one table in dicom/status.py."""
    return {Status[name] for name in re.findall(r"\bStatus\.([A-Z_]+)\b", inspect.getsource(module))}


@pytest.mark.parametrize(
    ("heading", "module", "besides"),
    [
        ("**Status of C-FIND", modality_worklist, {Status.CANCELLED}),
        ("**Performed steps.**", performed_step, set()),
        ("**Storage Commitment.**", commitment, set()),
    ],
)
def test_it_lists_every_status_of_the_other_services(heading: str, module: ModuleType, besides: set[int]) -> None:
    table = rows(CONFORMANCE, heading)
    listed = {int(code, 16) for cells in table for code in re.findall(r"0x[0-9A-F]{4}", " ".join(cells))}
    assert listed == (named_statuses(module) - {Status.UNRECOGNISED_OPERATION}) | besides


def test_it_lists_every_attribute_of_a_worklist_entry() -> None:
    registration = Registration(patient_name="A", patient_birth_date=None, patient_sex=None)
    now = SystemClock().now()
    order = Order(
        accession_number="1",
        study_instance_uid="1.2",
        registration=registration,
        patient_id="1",
        scheduled_at=now,
        registered_at=now,
        registered_by="",
        state=OrderState.WAITING,
    )
    entry = entry_of(order, ae_title="DX1", modality="DX", station_name="")
    listed = re.findall(
        r"\(([0-9A-F]{4}),([0-9A-F]{4})\)", "".join(row[1] for row in rows(CONFORMANCE, "**Worklist.**"))
    )
    steps = entry[0x00400100]
    assert not isinstance(steps, str)
    assert sorted(int(group + element, 16) for group, element in listed) == sorted([*entry, *steps[0]])


def test_it_says_what_every_answer_of_a_peer_means_to_us() -> None:
    fates = {}
    for statuses, _, then in rows(CONFORMANCE, "**What the peer's answer means"):
        fates |= {int(code, 16): then.split(":")[0].split(",")[0] for code in statuses.split(", ") if code[:2] == "0x"}
    assert len(fates) > 20
    for code, fate in fates.items():
        try:
            check_answer(code, peer="PACS")
            assert fate == "done", hex(code)
        except PeerUnreachable:
            assert fate == "sent again", hex(code)
        except PeerRefused:
            assert fate == "refused", hex(code)


def test_it_lists_every_rejection_and_abort() -> None:
    said = {reason for reason, _ in rows(CONFORMANCE, "**Rejections")}
    rejections = (gatekeeper.UNKNOWN_CALLER, gatekeeper.WRONG_CALLED_TITLE, gatekeeper.TOO_MANY)
    violation = pdu.ProtocolViolation
    aborts = {
        violation.UNSPECIFIED,
        violation.UNRECOGNISED_PDU,
        violation.UNEXPECTED_PDU,
        violation.INVALID_PARAMETER,
    }
    assert said == {f"{r.result}/{r.source}/{r.reason}" for r in rejections} | {f"abort, reason {n}" for n in aborts}


def test_it_gives_the_limits_that_hold() -> None:
    limits = gatekeeper.ListenerLimits(ae_title="X")
    largest = inspect.signature(storage.Storage).parameters["max_instance_bytes"].default
    timeouts = connection.TIMEOUTS
    waits = f"{timeouts.connect_seconds:g} s / {timeouts.stall_seconds:g} s / {timeouts.answer_seconds:g} s"
    asking, delivery = forwarder.ASKING_CAP_SECONDS, forwarder.DELIVERY_CAP_SECONDS
    said_there = " ".join(CONFORMANCE.split())  # wherever its lines are broken
    for said in (
        f"Implementation Class UID | {uids.IMPLEMENTATION_CLASS_UID} |",
        f"Implementation Version Name | {uids.IMPLEMENTATION_VERSION_NAME} |",
        f"{limits.max_associations}, set by the site",
        f"{limits.max_waiting}, and {limits.max_waiting_per_host} from one address",
        f"Maximum PDU length received | {limits.max_pdu} bytes",
        f"association request to come | {limits.pdu_seconds:g} s |",
        f"Silence between PDUs of an association | {limits.idle_seconds:g} s |",
        f"Longest association | {limits.lifetime_seconds:g} s |",
        f"({largest} bytes)",
        f"at most {provider.LONGEST_DATASET} bytes",
        f"at most {OFFERED_DAYS} days ago",
        f"{LONGEST_LIST} entries at most",
        f"released after {forwarder.IDLE_SECONDS:g} s",
        f"{connection.MAX_RECEIVED_PDU} bytes / the peer's, at most {requestor.MAX_SENT_PDU} bytes",
        f"at most {requestor.MAX_CONTEXTS}, one transfer syntax each",
        waits,
        f"doubling to {asking:g} s",
        f"up to {delivery:g} s",
        f"from {compression.SMALLEST_BYTES // 1024} KiB on",
        f"over {Admission().max_pixels // 1_000_000} million pixels",
        f"a side under {SMALLEST_SIDE} pixels",
        f"At most {capture.LARGEST_BYTES // 1000} kB",
        "Implementation Class UID, Version Name | as the application entity",
    ):
        assert said in said_there, said


def test_it_gives_the_limits_that_hold_for_orders_of_the_his() -> None:
    listed = " ".join(" ".join(cells) for cells in rows(CONFORMANCE, "### 9.1"))
    for said in (
        f"{', '.join(orm.VERSIONS)}, or none stated",
        f"{MOST_BYTES} bytes and {orm.MOST_ORDERS} orders",
        f"{listener.MOST_CONNECTIONS} at once from one address; closed after {listener.IDLE_SECONDS:g} s of silence",
        f"has {listener.BLOCK_SECONDS:g} s from its first byte",
    ):
        assert said in listed, said
    places = {place for cells in rows(CONFORMANCE, "| field | taken as") for place in cells[0].split(", ")}
    assert set(orm.PLACES.values()) <= {*places, "ORC-12"}


def test_it_lists_the_objects_that_are_made() -> None:
    table = rows(CONFORMANCE, "### 8.1")
    kinds = (
        report.REPORT,
        report.UNREAD,
        capture.CAPTURE,
        capture.UNREAD,
        presentation.PRESENTATION,
        request.REQUEST,
        capture.REQUEST_PAGE,
        document.DOCUMENT,
    )
    for row, kind in zip(table, kinds, strict=True):
        assert row[1].split()[0] == kind.sop_class_uid
        assert row[2:] == [kind.modality, str(kind.series_number), kind.description, kind.transfer_syntax_uid]


def test_it_lists_the_code_of_every_finding() -> None:
    listed = {name: (code, meaning) for name, code, meaning in rows(CONFORMANCE, "**Findings.**")}
    assert listed == {k.name: (f"{k.code.value} {k.code.scheme}", k.code.meaning) for k in TOLD.values()}


def test_it_lists_the_code_of_every_reason() -> None:
    listed = {re.sub(r"`(\w+)`.*", r"\1", row[0]): row[1:] for row in rows(CONFORMANCE, "**Why a film was not read**")}
    assert listed.keys() == REASONS.keys()
    for name, (value, scheme, meaning) in listed.items():
        code = codes.reason_code(REASONS[name])
        assert (value, scheme) == (code.value, code.scheme)
        assert meaning.startswith(code.meaning)


def test_it_lists_the_whole_private_coding_scheme() -> None:
    named = [value for value in vars(codes).values() if isinstance(value, Code)]
    used = [*named, *codes.TRIAGE.values(), *codes.SITES.values(), *(kind.code for kind in TOLD.values())]
    private = {code.value: code.meaning for code in used if code.scheme == "99XRT"}
    assert {value: meaning for value, _, meaning, _ in rows(CONFORMANCE, "**Private coding scheme")} == private
    # No other module makes a private code. rows.py: a word of another version, for the page, in no object.
    makers = {path.name for path in SOURCES if '"99XRT"' in path.read_text(encoding="utf-8")}
    assert makers == {"findings.py", "naming.py", "codes.py", "rows.py"}


def test_it_lists_the_codes_of_the_report() -> None:
    """Every concept of the objects, but the codes of the tables above."""
    for name, code in vars(codes).items():
        if isinstance(code, Code):
            assert code.value in CONFORMANCE, name


def test_it_names_character_sets_that_are_understood() -> None:
    (row,) = (row for row in rows(CONFORMANCE, "## 6") if row[0].startswith("understood"))
    names = re.findall(r"\b\d{1,3}\b", row[1].split("GB18030")[0])
    assert len(names) > 10
    assert not [name for name in names if not {f"ISO_IR {name}", f"ISO 2022 IR {name}"} & set(python_encoding)]


# The runbook


def logged_events() -> dict[str, str]:
    """Every event that the program logs, with its level."""
    events = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_log = isinstance(node, ast.Call) and re.fullmatch(
                r"(log|self\._log)\.(info|warning|error|exception)", ast.unparse(node.func)
            )
            if isinstance(node, ast.Call) and is_log and isinstance(node.args[0], ast.Constant):
                events[str(node.args[0].value)] = is_log[2].replace("exception", "error")
    return events


def test_it_explains_every_log_event() -> None:
    explained = {event: level for cell, level, _ in rows(RUNBOOK, "## Logs") for event in spans(cell)}
    assert explained == logged_events()


def test_it_watches_every_metric() -> None:
    made = (ROOT / "xray_triage" / "web" / "api" / "status.py").read_text(encoding="utf-8")
    assert set(re.findall(r"`(xray_triage_\w+)", RUNBOOK)) == set(re.findall(r'"(xray_triage_\w+)"', made))


def test_it_quotes_banners_as_the_page_shows_them() -> None:
    templates = ROOT / "xray_triage" / "web" / "templates"
    pages = [*(ROOT / "xray_triage" / "health").glob("*.py"), *sorted(templates.glob("*.html"))]
    shown = "".join(path.read_text(encoding="utf-8") for path in pages)
    quoted = [re.findall(r'"([^"]+)"', row[0])[0] for row in rows(RUNBOOK, "## The page")]
    assert not [words for words in quoted if words not in shown]
