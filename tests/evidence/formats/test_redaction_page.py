"""docs/redaction.md is the rule table of the privacy rule, and what it hits on a recording.

`python -m tests.evidence.formats.test_redaction_page` writes the page again.
"""

import gzip
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from evidence import privacy, secret_rules
from tests.evidence.formats.conftest import DATA, ROOT

PAGE = ROOT / "docs" / "redaction.md"
HEAD = """# What is taken for a secret

Before anything is stored, every record is searched once, with one expression of RE2 that finds something wherever a rule below does; the rules themselves, one expression as well, have the last word on what it found: linear in the bytes, whatever somebody wrote. A secret becomes `[redacted:kind:length]`. The deposit says how many of each kind were replaced and where the first were, and by which version of this list. This page is generated from `evidence/secret_rules.py`, and a test compares them.

Two disguises are looked through. Text in base64 (18 bytes of it or more, also in the alphabet of addresses) is decoded once, and all of it goes where a rule finds something inside. Letters, quotes and signs that a text in a text writes as `\\u0061` are read as what they stand for. Not looked into: what is encoded twice or in another way, base64 that is broken into lines within the secret, random bytes in base64 under a name that says nothing, and a password of up to five digits before a slash, which reads as a port.

Access key ids (`AKIA…`, `ASIA…`) are kept: they say who acted. Left alone is also what says nothing: stars, `HIDDEN_DUE_TO_SECURITY_REASONS`, `${VARIABLE}`. Content of prompts, completions, tool arguments and statements is dropped by the formats, as the next table says, not by these rules.

"""
CONTENT = """## What of a record is content

Unless a source keeps it. Content goes whole, a mark with its length and a keyed digest stays in its place; of a statement its form stays, with `?` for its values. Who, when, where, on what and how it ended stays always.

| where | goes | keeps its form | stays |
| --- | --- | --- | --- |
| CloudTrail, parameters of calls | commands of Systems Manager and ECS, values of environments and arguments, user data, messages of queues and mails, input of state machines, prompts and input of models and agents, templates | `queryString`, `queryStatement`, `sql`, `statement`: Logs Insights, Athena, Lake, Redshift, RDS data, DynamoDB, Neptune, Config | names of documents, images, variables and containers; whatever AWS has starred itself |
| Bedrock invocations | input and output | | model, why it ended, what it counted |
| Anthropic, OpenAI | whatever a name or its words make a prompt, an answer or a body | | the act, and of what program it came |
| Google Cloud | input and output of models, payloads, parameters, specifications of workloads, what was searched for | BigQuery's jobs, Spanner, databases, filters of lists, lines of databases | methods, resources, roles and their members |
| Kubernetes | bodies beyond names, roles and subjects; the command run in a container | | the path, the container |
| Azure | bodies of requests and answers, scripts of Run Command in them | SQL, Cosmos DB, what was asked of a workspace (KQL) or of Data Explorer | the operation, the resource |
| Microsoft 365 | subjects (also inside alerts and investigations), texts of messages and prompts, what was searched for | | the mailbox, the folder, the file |
| Google Workspace | subjects of mails, what was searched for, addresses of attachments | | the act, the document, the group |
| Entra, Okta | nothing is content there | | |
| Windows | command lines, script blocks, contents of planned tasks, also in the texts of events | | the program's path, the task's name |
| Snowflake | values that are bound | `QUERY_TEXT`, `ERROR_MESSAGE` | the object |
| Databricks | prompts, parameters of jobs and notebooks, environments | `commandText`, `queryText` | job, notebook, table |
| PostgreSQL, Cloud SQL | parameters, details, values that an error tells | statements | the command and its object |
| Teleport | arguments, commands, bodies, parameters | statements | the program, the tool that is called |
| Vault | what it logged raw | | its own digests |
| GitHub | bodies of requests and of what people wrote, queries | | the route |
| Auth0 | bodies of requests and answers, prompts | | the path |
| CyberArk, Delinea | commands, keystrokes, free text | | the account, the safe |
| OCSF | data of requests and answers, command lines, scripts, `raw_data` | `query_string` | the rest |
| traces | prompts, completions, arguments and results of tools, commands that coding agents run | database statements | names of tools, models and agents |

Not looked into: what stands in the query of an address (Microsoft Graph's `$search`, a request that a gateway logged), and a statement inside a statement's comment.

"""


class Counted(NamedTuple):
    """Hits on a recording; true where the vendor's own documentation calls the member a secret."""

    records: int
    hits: int
    false: int
    missed: int  # members that the vendor calls secret and that would be stored


def counted(data: Path) -> Counted:
    """Over the Invictus recording. AWS calls the credentials of an answer of STS and IAM secret."""
    records = hits = false = missed = 0
    for path in sorted((data / "cloudtrail-invictus").glob("*.gz")):
        for record in orjson.loads(gzip.decompress(path.read_bytes()))["Records"]:
            records += 1
            clean, found = privacy.redact(orjson.dumps(record))
            hits += len(found)
            after = orjson.loads(clean)
            true = [place for place in secrets_in(record) if not says_nothing(place, record)]
            replaced = [place for place in true if at(place, after).startswith("[redacted:")]
            false += len(found) - len(replaced)
            missed += len(true) - len(replaced)
    return Counted(records, hits, false, missed)


def secrets_in(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """The places that AWS documents as secret in what its APIs answer."""
    places = [
        ("responseElements", holder, member)
        for holder in ("credentials", "accessKey", "serviceSpecificCredential")
        for member in ("sessionToken", "secretAccessKey", "servicePassword")
    ]
    return [place for place in places if at(place, record)]


def at(place: tuple[str, ...], record: Any) -> str:
    here = record
    for name in place:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, str) else ""


def says_nothing(place: tuple[str, ...], record: Any) -> bool:
    return privacy.says_nothing(at(place, record))


def share(data: Path) -> str:
    found = counted(data)
    part = 100 * found.false / found.hits if found.hits else 0.0
    return (
        "## On a recording\n\n"
        f"The Invictus recording of CloudTrail under attack: {found.records:,} records,"
        f" {found.hits:,} hits, of which false {found.false} ({part:.1f} %); secrets by AWS's own"
        f" documentation that would be stored: {found.missed}. A hit is true where the member is"
        " one that AWS documents as secret in an answer of its API.\n"
    )


def rules() -> str:
    lines = [f"Version {privacy.RULE_VERSION}, {len(secret_rules.RULES)} rules.\n\n"]
    for rule in secret_rules.RULES:
        begins = "" if rule.begins_word else ", anywhere"
        lines.append(f"- **{rule.kind}** – {rule.says}{begins}\n  `` {rule.pattern} ``\n")
    return "".join(lines)


def page(data: Path) -> str:
    return f"{HEAD}{CONTENT}{share(data)}\n## The rules\n\n{rules()}"


def test_page_is_what_the_rules_say(data: Path) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(data)


def test_recording_has_no_false_hit_and_no_missed_secret(data: Path) -> None:
    found = counted(data)
    assert (found.records, found.hits, found.false, found.missed) == (2_900, 36, 0, 0)


@pytest.mark.parametrize("rule", secret_rules.RULES, ids=lambda rule: f"{rule.kind}: {rule.says}")
def test_every_rule_is_part_of_the_one_pass(rule: secret_rules.Rule) -> None:
    """And one group of its own, which is what a hit replaces."""
    assert privacy._EACH[secret_rules.RULES.index(rule)].groups == 1
    assert rule.pattern.encode() in privacy._RULES.pattern


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA), encoding="utf-8")
