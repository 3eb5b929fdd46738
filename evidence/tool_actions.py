"""What an agent's tool does, as far as its name tells: tool names and the API actions behind them.

Owns the one table of that. A tool and an action are likely the same act where they share a key:
the operation's own name (`get_object` and `s3:GetObject`), or a row of the table. To teach it a
tool, add a row or widen one, and raise VERSION. Names alone prove nothing: what is made of them
is evidence/correlation.py's rule 5. Pure.
"""

import re
from functools import lru_cache

# Of the keys that are stored for each name; older ones are not compared with newer.
VERSION = 2
SAME_OPERATION = "op:"
LONGEST = 200
# Shorter names (`get`, `run`) are everybody's.
_SHORTEST_OPERATION = 6

# (name of the row, how tools are called, which actions): both are looked for from the start of
# the name in lower case; words of a tool are joined by "_".
_READ = "get|read|fetch|download|load|open|view|show|retrieve|look_?up|inspect|describe"
_FIND = "list|search|find|query|scan|browse|enumerate|retrieve"
_WRITE = "write|put|save|store|upload|create|update|add|export|publish|record|append|edit"
_END = "delete|remove|purge|drop|erase|clean"
_START = "invoke|call|run|execute|trigger|start|launch"
TABLE: tuple[tuple[str, str, str], ...] = (
    (
        "read",
        rf"(?:{_READ})(?:_|$)",
        (
            r"s3:(?:getobject|headobject|selectobjectcontent)|dynamodb:(?:batch)?getitem"
            r"|storage\.objects\.get|get (?!pods/exec|secrets)|repo\.download_zip|getblob"
        ),
    ),
    (
        "find",
        rf"(?:{_FIND})(?:_|$)",
        (
            r"s3:list(?:objects|buckets)|dynamodb:(?:query|scan)|storage\.(?:objects|buckets)\.list"
            r"|list (?!secrets)|es:eshttp(?:get|post)|listblobs|bedrock:retrieve"
        ),
    ),
    (
        "write",
        rf"(?:{_WRITE})(?:_|$)",
        (
            r"s3:(?:putobject|copyobject|createmultipartupload|completemultipartupload)"
            r"|dynamodb:(?:putitem|updateitem|batchwriteitem)|storage\.objects\.(?:create|update)"
            r"|(?:create|update|patch) (?!pods/exec|serviceaccounts/token|\w*rolebindings)|putblob"
        ),
    ),
    (
        "delete",
        rf"(?:{_END})(?:_|$)",
        r"s3:deleteobjects?|dynamodb:deleteitem|storage\.objects\.delete|delete |deleteblob",
    ),
    (
        "secret",
        r".*(?:secret|credential|password|api_?key|parameter|vault)",
        (
            r"secretsmanager:(?:batch)?getsecretvalue|ssm:getparameters?|kms:decrypt"
            r"|.*accesssecretversion|(?:get|list) secrets|secretget|read "
        ),
    ),
    (
        "key",
        r"(?:create|make|mint|issue|rotate|generate|renew)_.*(?:key|credential|token)",
        (
            r"iam:createaccesskey|.*createserviceaccountkey|create serviceaccounts/token"
            r"|system\.api_token\.create|personal_access_token\."
        ),
    ),
    (
        "role",
        r".*(?:assume|impersonate|switch_role|act_as)",
        r"sts:assumerole|.*generateaccesstoken|sts:getfederationtoken",
    ),
    (
        "message",
        r"(?:send|notify|mail|email|post|publish|alert)(?:_|$)",
        r"ses:send|sns:publish|sqs:sendmessage|events:putevents|.*\.sendmail",
    ),
    (
        "data",
        r".*(?:sql|query|database|warehouse|table)",
        (
            r"(?:rds-data|redshift-data):(?:batch)?executestatement|athena:startqueryexecution"
            r"|.*jobservice\.(?:insert|query)|.*bigquery\.jobs\.|dynamodb:|statement\.|select\b"
        ),
    ),
    (
        "job",
        rf"(?:{_START})_.*(?:function|lambda|job|workflow|pipeline|task|step)",
        (
            r"lambda:invoke|states:start|batch:submitjob|glue:startjobrun|ecs:runtask"
            r"|create (?:jobs|cronjobs)|workflows\."
        ),
    ),
    (
        "shell",
        r".*(?:exec|shell|bash|terminal|run_command|ssh)",
        r"(?:create|get) pods/exec|ssm:(?:sendcommand|startsession)|.*runcommand",
    ),
    (
        "deployment",
        r".*(?:deploy|scale|restart|rollout|rollback)",
        (
            r"(?:create|update|patch) (?:deployments|statefulsets|daemonsets|replicasets)"
            r"|ecs:updateservice|lambda:updatefunctioncode|cloudformation:(?:create|update)stack"
        ),
    ),
    (
        "code",
        r".*(?:pull_request|issue|commit|push|merge|clone|branch|repo)",
        r"pull_request\.|issues?\.|git\.|repo\.|codecommit:",
    ),
    (
        "account",
        (
            r"(?:create|add|invite|provision|onboard|disable|suspend|deactivate|offboard|remove)_"
            r".*(?:user|account|member|employee)"
        ),
        (
            r"iam:(?:create|delete|update)user|user\.lifecycle\.|(?:add|update|delete) user$"
            r"|org\.(?:invite|add|remove)_member"
        ),
    ),
    (
        "right",
        r"(?:add|assign|grant|attach|give|remove|detach|revoke)_.*(?:group|role|permission|policy|access)",
        (
            r"group\.user_membership\.|iam:(?:add|attach|put|remove|detach|delete)\w*(?:group|policy)"
            r"|(?:add|remove) member|\w+ \w*rolebindings|.*setiampolicy"
        ),
    ),
    (
        "knowledge",
        r".*(?:knowledge|rag|retriev|semantic|vector)",
        r"bedrock:retrieve|es:eshttp|s3vectors:query|.*\.findneighbors",
    ),
)
_ROWS = tuple((name, re.compile(tool), re.compile(action)) for name, tool, action in TABLE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[^a-z0-9]+")
# `ListObjectsV2` is what a tool calls list_objects.
_EDITION = re.compile(r"[Vv]\d$")


def _words(name: str) -> list[str]:
    return [one for one in _PARTS.split(_CAMEL.sub("_", name[:LONGEST]).lower()) if one]


@lru_cache(maxsize=16_384)
def keys_of_tool(name: str) -> frozenset[str]:
    """What a tool of this name may be doing."""
    words = _words(name)
    # A product's or server's name may stand before: `aws_s3_get_object`.
    operations = ("".join(words[start:]) for start in range(max(1, len(words) - 1)))
    plain = "_".join(words)
    rows = [row for row, tool, _ in _ROWS if any(tool.match(one) for one in _starts(plain))]
    return frozenset(
        [SAME_OPERATION + one for one in operations if len(one) >= _SHORTEST_OPERATION]
        + [f"row:{row}" for row in rows]
    )


def _starts(plain: str) -> tuple[str, ...]:
    """The name as it is, and without its first words: `slack_send_message`."""
    words = plain.split("_")
    return tuple("_".join(words[start:]) for start in range(min(3, len(words))))


@lru_cache(maxsize=16_384)
def keys_of_action(action: str) -> frozenset[str]:
    """What an API action of this name is."""
    action = action[:LONGEST]
    operation = _EDITION.sub("", action.split(":", 1)[-1])
    last = operation.rsplit(".", 2)[-2:]
    operations = {"".join(_words(operation)), "".join(_words(".".join(last)))}
    # `storage.objects.get` is called get_objects, or get_object.
    if len(last) == 2:
        operations |= {
            "".join(_words(f"{last[1]}.{noun}")) for noun in (last[0], last[0].rstrip("s"))
        }
    folded = action.lower()
    rows = [row for row, _, action_of in _ROWS if action_of.match(folded)]
    return frozenset(
        [SAME_OPERATION + one for one in operations if len(one) >= _SHORTEST_OPERATION]
        + [f"row:{row}" for row in rows]
    )
