"""What was run on Windows is not kept: command lines, scripts, tasks, in every shape and language."""

from typing import Any

import orjson
import pytest

from tests.evidence.formats import abuse
from tests.evidence.formats.test_content_of_calls import PRIVATE, parsed

AROUND = {
    "Computer": "files1.corp.example.com",
    "Channel": "Security",
    "Provider": "Microsoft-Windows-Security-Auditing",
    "TimeCreated": "2031-03-04T09:03:00Z",
}
LOGGED = (
    "A new process has been created.\r\n\r\nCreator Subject:\r\n\tAccount Name:\t\tRosa\r\n"
    "\tAccount Domain:\t\tCORP\r\n\r\nProcess Information:\r\n\tNew Process Name:\tC:\\x.exe\r\n"
    f"\tProcess Command Line:\tx.exe {PRIVATE}\r\n\r\nToken Elevation Type indicates"
)
XML = (
    "<Event xmlns='x'><System><Provider Name='Microsoft-Windows-Security-Auditing'/>"
    "<EventID>4688</EventID><TimeCreated SystemTime='2031-03-04T09:03:00Z'/>"
    "<Channel>Security</Channel><Computer>files1.corp.example.com</Computer></System><EventData>"
    "<Data Name='SubjectUserName'>Rosa</Data><Data Name='SubjectDomainName'>CORP</Data>"
    f"<Data Name='CommandLine'>x.exe {PRIVATE}</Data></EventData></Event>"
)
SCRIPT = f"Creating Scriptblock text (1 of 1):\r\n{PRIVATE}\r\nmore\r\n\r\nScriptBlock ID: 11-22"
TASK = f"Task Name: \\x\r\nTask Content:\t<?xml?>\r\n<Task>{PRIVATE}</Task>\r\n"
POWERSHELL = "Microsoft-Windows-PowerShell"
PIPELINE = (
    f"Pipeline execution details for command line:  $a = {PRIVATE}\r\n. \r\n\r\nContext Information:"
    f" \r\n\tUserId=CORP\\rosa\r\n\tHostApplication=C:\\My Tools\\host.EXE -c {PRIVATE}\r\n"
    f"\tScriptName=\r\n\tCommandLine=  $a = {PRIVATE}\r\n{PRIVATE}\r\n\r\nDetails: \r\n"
    f"CommandInvocation(Out-Default): {PRIVATE}"
)
ENGINE = (
    "Engine state is changed from None to Available. \r\n\r\nDetails: \r\n\tHostName=ConsoleHost\r\n"
    f"\tHostApplication=powershell -enc {PRIVATE}\r\n\tEngineVersion=5.1\r\n\tCommandLine="
)
# Other languages than English, in which it is not known where what was run stands.
PROCESS = (
    "Un nouveau processus a été créé.\r\n\r\nInformations sur le processus :\r\n"
    f"\tLigne de commande du processus :\tx.exe {PRIVATE}\r\n"
)
BLOCK = f"Skriptblocktext (1 von 1) wird erstellt:\r\n{PRIVATE}\r\n\r\nScriptBlock-ID: 11-22"
RUNS: dict[str, dict[str, Any]] = {
    "data": {**AROUND, "EventID": 4688, "EventData": {"CommandLine": f"x {PRIVATE}"}},
    "flat": {**AROUND, "EventID": 4688, "CommandLine": f"x {PRIVATE}", "message": LOGGED},
    "winlogbeat": {
        "winlog": {
            "event_id": 4688,
            "channel": "Security",
            "event_data": {"CommandLine": f"x {PRIVATE}", "SubjectUserName": "Rosa"},
        },
        "message": LOGGED,
        "process": {"command_line": PRIVATE, "args": [PRIVATE]},
    },
    "listed": {
        "Event": {
            "System": {"EventID": 4688, "Channel": "Security", "Computer": "files1"},
            "EventData": {"Data": [{"@Name": "CommandLine", "#text": PRIVATE}]},
        }
    },
    "wazuh": {
        "win": {
            "system": {"eventID": "4688", "channel": "Security", "message": LOGGED},
            "eventdata": {"commandLine": PRIVATE},
        }
    },
    "xml": {"event": XML},
    "original": {"event": {"original": XML}, "winlog": {"event_id": 4688, "channel": "Security"}},
    "script": {**AROUND, "Provider": POWERSHELL, "EventID": 4104, "Message": SCRIPT},
    "pipeline": {**AROUND, "Provider": "PowerShell", "EventID": 800, "Message": PIPELINE},
    "engine": {**AROUND, "Provider": "PowerShell", "EventID": 400, "Message": ENGINE},
    "French": {**AROUND, "EventID": 4688, "message": PROCESS},
    "German": {**AROUND, "Provider": POWERSHELL, "EventID": "4104", "Message": BLOCK},
    "French winlogbeat": {
        "winlog": {"event_id": 4688, "channel": "Security", "event_data": {"SubjectUserName": "R"}},
        "message": PROCESS,
    },
    "task": {**AROUND, "EventID": 4698, "TaskName": "\\x", "message": TASK},
}


@pytest.mark.parametrize("shape", RUNS)
def test_what_was_run_on_windows_is_not_kept(shape: str) -> None:
    found = parsed("windows", [RUNS[shape], RUNS[shape]])
    assert (len(found.records), found.rejects) == (2, [])
    assert found.redactions != []


@pytest.mark.parametrize(
    ("members", "stays"),
    [
        ({"Provider": "PowerShell", "EventID": 800, "Message": PIPELINE}, "C:\\My Tools\\host.EXE"),
        ({"Provider": "PowerShell", "EventID": 800, "Message": PIPELINE}, "UserId=CORP\\rosa"),
        ({"Provider": "PowerShell", "EventID": 400, "Message": ENGINE}, "powershell [content:"),
        ({"Provider": "PowerShell", "EventID": 400, "Message": ENGINE}, "EngineVersion=5.1"),
        (
            {"EventID": 4688, "Message": LOGGED.split("\tProcess Command", maxsplit=1)[0]},
            "C:\\x.exe",
        ),
        # The numbers mean something else in other logs.
        (
            {"Provider": "Print", "Channel": "Print", "EventID": 800, "Message": "Imprimé"},
            "Imprimé",
        ),
        ({"EventID": 4624, "Message": "Ouverture de session"}, "Ouverture de session"),
    ],
)
def test_text_keeps_what_was_not_run(members: dict[str, Any], stays: str) -> None:
    kept = orjson.loads(abuse.parse("windows", {**AROUND, **members}).kept)
    assert stays in orjson.loads(orjson.dumps(kept))["Records"][0]["Message"]


def test_mark_that_somebody_ran_hides_nothing() -> None:
    parsed("windows", {**RUNS["flat"], "message": LOGGED.replace("x.exe p", "[content:1] p")})
