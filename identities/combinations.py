"""What is dangerous together: reading sensitive data, taking in what outsiders wrote, sending out.

Owns the one table of which actions and tools do which of the three, with where that is from. Any
two are usual; all three let an instruction hidden in what is read carry data away ("The lethal
trifecta", Simon Willison, 16 June 2025; "Agents Rule of Two", Meta, 31 October 2025; OWASP Top 10
for LLM applications 2025, LLM01 and LLM06). An action of a log says what was done, a tool's name
only what is likely. To teach it one more, add to a row, or say it in a mapping file (`legs`).
Pure.
"""

import re
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from identities.enforcers.patterns import covers, overlaps

PRIVATE, UNTRUSTED, EGRESS = "private", "untrusted", "egress"
LEGS = {
    PRIVATE: "read sensitive data",
    UNTRUSTED: "take in what outsiders wrote",
    EGRESS: "send out",
}
LONGEST = 200
AWS = "AWS service authorization reference"
K8S = "Kubernetes RBAC good practices"
GRAPH = "Microsoft Graph permissions reference"
TRIFECTA = "The lethal trifecta, 2025"


class Row(NamedTuple):
    """One kind of act: which legs it is, how APIs and tools call it, where that is from."""

    name: str
    legs: tuple[str, ...]
    actions: tuple[str, ...]  # patterns in lower case
    tools: str  # a regular expression on a tool's words joined by "_"; "" for none
    source: str


TABLE: tuple[Row, ...] = (
    Row(
        "reads a secret",
        (PRIVATE,),
        (
            "secretsmanager:getsecretvalue",
            "secretsmanager:batchgetsecretvalue",
            "ssm:getparameter*",
            "kms:decrypt",
            "get secrets",
            "list secrets",
            "google.cloud.secretmanager.v1.secretmanagerservice.accesssecretversion",
            "secretmanager.versions.access",
        ),
        r"(?:get|read|fetch|list|use)_.*(?:secret|credential|password|api_?key|vault)",
        f"{AWS}; {K8S}",
    ),
    Row(
        "reads stored data",
        (PRIVATE,),
        (
            "s3:getobject",
            "s3:getobjectversion",
            "s3:selectobjectcontent",
            "dynamodb:getitem",
            "dynamodb:batchgetitem",
            "dynamodb:query",
            "dynamodb:scan",
            "rds-data:executestatement",
            "rds-data:batchexecutestatement",
            "redshift-data:getstatementresult",
            "athena:getqueryresults",
            "storage.objects.get",
            "repo.download_zip",
            "git.clone",
            "files.read*",
            "sites.read*",
        ),
        (
            r"(?:get|read|fetch|load|download|open|query|search)_.*"
            r"(?:object|file|document|drive|record|customer|invoice|sql|database|table|repo)"
        ),
        f"{AWS}; {GRAPH}",
    ),
    Row(
        "reads people's mail and messages, which anybody may have sent",
        (PRIVATE, UNTRUSTED),
        ("mail.read*", "mailitemsaccessed", "chat.read*", "channelmessage.read*"),
        r"(?:get|read|list|search|fetch|check)_.*(?:mail|inbox|message|chat|thread|calendar)",
        f"{GRAPH}; {TRIFECTA}",
    ),
    Row(
        "takes messages from a queue",
        (UNTRUSTED,),
        ("sqs:receivemessage", "kinesis:getrecords"),
        r"(?:receive|poll|consume)_.*(?:message|queue|event)",
        AWS,
    ),
    Row(
        "reads issues, tickets and comments",
        (UNTRUSTED,),
        (),
        r"(?:get|read|list|search|fetch)_.*(?:issue|pull_request|comment|ticket|review|feedback)",
        TRIFECTA,
    ),
    Row(
        "opens addresses on the web, which also carries out what stands in an address",
        (UNTRUSTED, EGRESS),
        ("bedrock-agentcore:startbrowsersession", "bedrock-agentcore:connectbrowser*"),
        (
            r"(?:(?:.*_)?(?:web|http|url|website|webpage)(?:_|$)|browse|browser|scrape|crawl"
            r"|navigate)"
        ),
        TRIFECTA,
    ),
    Row(
        "sends mail and messages",
        (EGRESS,),
        ("ses:send*", "sns:publish*", "mail.send*", "chatmessage.send", "channelmessage.send"),
        (
            r"(?:send|post|reply|forward|notify)(?:_|$).*"
            r"|(?:create|add)_.*(?:webhook|message|post)|(?:mail|email|sms|slack|teams)_send"
        ),
        f"{AWS}; {GRAPH}",
    ),
    Row(
        "makes something public",
        (EGRESS,),
        (
            "s3:putobjectacl",
            "s3:putbucketacl",
            "s3:putbucketpolicy",
            "s3:putbucketpublicaccessblock",
            "lambda:createfunctionurlconfig",
            "ec2:modifysnapshotattribute",
            "rds:modifydbsnapshotattribute",
        ),
        r"(?:share|publish|upload)_.*|make_public",
        AWS,
    ),
    Row(
        "writes where others read: issues, pull requests, repositories",
        (EGRESS,),
        ("git.push", "pull_request.create", "gist.create"),
        r"(?:create|open|add|push|submit)_.*(?:issue|pull_request|comment|gist|commit|branch)",
        TRIFECTA,
    ),
    Row(
        "runs code or commands of its own choosing, which may connect to anywhere",
        (EGRESS,),
        (
            "ssm:sendcommand",
            "ssm:startsession",
            "lambda:updatefunctioncode",
            "bedrock-agentcore:invokecodeinterpreter",
            "create pods/exec",
        ),
        r"(?:.*_)?(?:exec|execute|shell|bash|terminal|python|code_interpreter|run_command)(?:_|$)",
        f"{AWS}; {K8S}; {TRIFECTA}",
    ),
)
_TOOLS = {row.name: re.compile(row.tools) for row in TABLE if row.tools}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[^a-z0-9]+")
# A word of an API: `s3:GetObject`, `get secrets`, `storage.objects.get`, `Mail.Read`.
_OF_API = re.compile(r"[:. *]")


class Reason(NamedTuple):
    """Why a name is a leg. `sure`: an API's own word, not only what a tool is called.

    `reached`: the actions of the table that a pattern may stand for, or the name itself.
    """

    what: str
    because: str
    source: str
    sure: bool
    reached: tuple[str, ...]


type Legs = dict[str, list[Reason]]


def legs(names: Iterable[str], own: tuple[Row, ...] = ()) -> Legs:
    """Which legs these actions, patterns of actions and tools are; `own`: an installation's rows."""
    found: Legs = {leg: [] for leg in LEGS}
    for name in dict.fromkeys(names):
        for leg, reason in _of_name(name[:LONGEST], own):
            found[leg].append(reason)
    return found


@lru_cache(maxsize=16_384)
def _of_name(name: str, own: tuple[Row, ...]) -> tuple[tuple[str, Reason], ...]:
    folded = name.lower()
    found: dict[str, Reason] = {}
    words = "" if _OF_API.search(name) else _words(name)
    for row in (*own, *TABLE):
        reached = tuple(
            folded if covers(pattern, folded) else pattern
            for pattern in row.actions
            if overlaps(pattern, folded)
        )
        if not reached and words and (known := _TOOLS.get(row.name)) is not None:
            reached = (name,) if any(known.match(one) for one in _starts(words)) else ()
            sure = False
        else:
            sure = True
        if reached:
            for leg in row.legs:
                found.setdefault(leg, Reason(name, row.name, row.source, sure, reached))
    return tuple(found.items())


def _words(name: str) -> str:
    return "_".join(one for one in _PARTS.split(_CAMEL.sub("_", name).lower()) if one)


def _starts(plain: str) -> tuple[str, ...]:
    """The name as it is, and without its first words: `slack_send_message`."""
    words = plain.split("_")
    return tuple("_".join(words[start:]) for start in range(min(3, len(words))))


def document() -> str:
    """docs/combinations.md: the table as people read it."""
    lines = [
        "# Dangerous together",
        "",
        "Written by `python -m identities.combinations > docs/combinations.md`; a test compares the",
        "two.",
        "",
        "An identity that can read sensitive data, takes in what outsiders wrote, and can send out may",
        "carry data away for whoever hid an instruction in what it reads. Any two of the three are",
        "usual. Items, the page of an identity and the queue (*Combination*) say of *delegated*,",
        "*possible* and *used* which of the three there are, with what is behind each. What was not",
        "read is *not known*, what no evidence shows is *not seen*; a tool's name alone, and what is",
        "allowed under a condition, is *perhaps*. Writing to a store of one's own is not sending out.",
        "",
        "| it | read sensitive data | take in what outsiders wrote | send out | actions | tools, by name | from |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in TABLE:
        has = " | ".join("yes" if leg in row.legs else "" for leg in LEGS)
        actions = ", ".join(f"`{one}`" for one in row.actions) or "–"
        tools = f"<code>{row.tools.replace('|', '&#124;')}</code>" if row.tools else "–"
        lines.append(f"| {row.name} | {has} | {actions} | {tools} | {row.source} |")
    return "\n".join(
        [
            *lines,
            "",
            "An installation adds its own actions in a [mapping file](mapping.md), member `legs`.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(document())
