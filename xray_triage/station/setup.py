"""Makes a station: writes the first station.toml, with every key that a site may want, and adds the first user."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dicom_router.files import write_whole
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.config.loading import ConfigError
from xray_triage.stores import configured_stores

TEMPLATE = """\
# xray-triage: one health station. Every value may also be set as XRAY_TRIAGE__SECTION__KEY in the environment.

[station]
name = {name}
ae_title = {ae_title}
phone = ""                   # where the specialist calls back; stands on every request
data_dir = {data_dir:<17} # films, results and the database; relative to this file
language = "vi"              # "vi" or "en"
database = ""                # "" = SQLite in data_dir, or a postgresql:// URL
timezone = ""                # "" = the computer's; or e.g. "Asia/Ho_Chi_Minh"

[listener]                   # where the X-ray machine sends to
host = "127.0.0.1"           # to hear other machines use "0.0.0.0", and name them in allow
port = 11112
allow = []                   # e.g. [{{ae_title = "DX1", host = "192.168.1.20"}}]
max_associations = 10

[web]                        # the page
host = "127.0.0.1"           # on this computer only; another one needs tls = {{cert = "page.crt", key = "page.key"}}
port = 8080
names = []                   # other names of this computer in the browser, e.g. ["xquang.tram.local"]
idle_minutes = 30            # after so long without a look a user is signed out

[model]
bundle = ""                  # "" = the bundle activated with `xray-triage model activate`, else the one shipped
providers = ["auto"]
threads = 0                  # 0 = chosen at start
thresholds = {{}}              # e.g. {{pneumothorax = 0.30}}
site = "ask"                 # an X-ray machine's own cut-offs: "ask" a person, or "auto": taken after 200 films

[policy]
urgent = ["pneumothorax", "edema"]
urgent_share = 0.05          # of a known machine's films the gravest so many are urgent too; 0 = none
auto_request = "urgent"      # ask for a consultation by itself: "urgent", "abnormal" or "never"
minimum_age_years = 15

[registration]               # the form that feeds the X-ray machine's worklist
prefix = ""                  # begins every accession number, 1 to 6 of A-Z 0-9; no two stations of a PACS may share it.
                             # Best the station's health-insurance number, e.g. "79012"; "" = drawn once by chance
station_ae_title = ""        # the one machine that films; "" = any machine that may send here

[consultation]
destination = ""             # "" = every destination that takes requests
poll_seconds = 60            # how often the PACS is asked for the answer
overdue_minutes = {{urgent = 30, routine = 1440}}   # then the case says so, and the PACS gets a reminder

[retention]
keep_days = 90               # a film that the PACS has proved to hold leaves this disk after so many days
reserve_gb = 5               # below this much free disk the machine is told "try later" (0xA700)

[backup]                     # of the running station, every day
# folder = "/media/backup"   # on another disk, made by you, for nobody else to read; without it there is none
keep = 14                    # so many stay

[audit]                      # who collects the audit trail, as DICOM audit messages by syslog over TLS
syslog = ""                  # e.g. "10.20.0.9:6514"; "" = nobody. tls = {{ca = "collector-ca.pem"}} for its authority

[orders]                     # of the HIS, besides those that are registered on the page
# hl7 = {{host = "0.0.0.0", port = 2575, allow = ["192.168.1.30"]}}   # HL7 v2 over MLLP, from this address alone
# folder = {{path = "/srv/his/orders"}}   # files *.hl7

[codes]                      # what the HIS calls what is filmed
# chest_pa = {{service = "18.0119"}}

# Who is told of an urgent case or an answer, without a word of the patient: see Notices in the RUNBOOK
# [[notice]]
# name = "doctor"
# kind = "ntfy"
# url = "https://ntfy.sh/a-long-secret-topic"

{destination}"""

PACS = """\
[[destination]]              # the central PACS
name = "pacs"
kind = "dimse"               # or "dicomweb" with url, or "folder" with path
host = {pacs_host}
port = {pacs_port}
ae_title = {pacs_ae_title}
url = ""                     # its DICOMweb root: then answers are asked for there, else by C-FIND and C-GET
send = ["results", "requests", "originals"]    # or of the results single kinds: "sr", "sc", "gsps"
compression = "auto"         # "auto", "jpeg-ls", "jpeg2000" or "none"
max_kbit_per_second = 0      # 0 = no limit
"""

NO_PACS = "# No central PACS yet. Take the # away and fill in:\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What only the site knows."""

    name: str = "Trạm y tế"
    ae_title: str = "XRAY_TRIAGE"
    data_dir: str = "data"
    pacs_host: str = ""
    pacs_port: int = 104
    pacs_ae_title: str = "PACS"


def write_config(path: Path, answers: Choices) -> None:
    """Write station.toml whole or not at all. Raises ConfigError when there is one already."""
    if path.exists():
        raise ConfigError(f"{path} is there already; edit it, or name another with --config")
    shown = asdict(answers) | {"pacs_host": answers.pacs_host or "192.168.1.10"}
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in shown.items()}
    pacs = PACS.format(**quoted)
    if not answers.pacs_host:
        pacs = NO_PACS + "".join(f"# {line}\n" for line in pacs.splitlines())
    text = TEMPLATE.format(**quoted, destination=pacs)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())


def add_first_user(path: Path, name: str, *, by: str) -> str:
    """The administrator of the station of ``path``, in one commit; gives the one-time password. ``by``: for the trail.

    Raises ConfigError when there are users already, AccountError for an impossible name.
    """
    stores = configured_stores(path)
    if stores.accounts.users.list():
        raise ConfigError(f"{path} is there already, and so are users; see: xray-triage user list")
    password = stores.accounts.users.add(name, role=Role.ADMIN)
    stores.accounts.audit.note(Action.USER_ADDED, actor=by, subject=name, detail=Role.ADMIN.value)
    stores.database.close()
    return password
