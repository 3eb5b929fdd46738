"""The evidence formats: how to know one by its content, and how to read it.

Owns the list of formats. To add one, write its table beside these and name it in TABLES (its
order decides where two could read a record). Pure.
"""

from collections import Counter
from functools import cache, partial

from evidence.formats import (
    alerts,
    anthropic,
    auth0,
    azure,
    bedrock,
    cloudtrail,
    databricks,
    entra,
    gcp,
    github,
    github_webhook,
    kubernetes,
    langfuse,
    microsoft365,
    microsoft_alerts,
    mlflow,
    nearest,
    network,
    ocsf,
    okta,
    onepassword,
    openai,
    otlp,
    pam,
    pam_delinea,
    pam_delinea_platform,
    postgres,
    reading,
    saas,
    signals,
    snowflake,
    span_json,
    teleport,
    unwrapping,
    vault,
    windows,
    workspace,
)
from evidence.formats.reading import Kind
from evidence.formats.record import Format
from evidence.formats.tables import Table

TABLES: tuple[Table, ...] = (
    okta.TABLE,
    kubernetes.TABLE,
    gcp.TABLE,
    vault.TABLE,
    pam.TABLE,
    pam_delinea.TABLE,
    pam_delinea_platform.TABLE,
    postgres.TABLE,
    ocsf.TABLE,
    auth0.TABLE,
    github.TABLE,
    github_webhook.TABLE,
    teleport.TABLE,
    databricks.TABLE,
    snowflake.TABLE,
    *saas.TABLES,
    workspace.TABLE,
    onepassword.TABLE,
    *network.TABLES,
    entra.TABLE,
    azure.TABLE,
    microsoft365.TABLE,
    microsoft_alerts.TABLE,
    windows.TABLE,
    anthropic.TABLE,
    openai.TABLE,
    bedrock.TABLE,
    signals.TABLE,
    alerts.TABLE,
)
KINDS: tuple[Kind, ...] = (*(reading.kind(table) for table in TABLES),)


def _knows(name: str, head: bytes) -> bool:
    return recognise(head) == name


def _format(table: Table, compiled: Kind) -> Format:
    others = (cloudtrail.KIND, *(kind for kind in KINDS if kind.name != table.name))
    return Format(
        table.name,
        table.title,
        partial(_knows, table.name),
        partial(reading.parse, table=table, first=compiled, others=others),
        table.version,
        table.seams,
        reading.lists_of(table),
    )


# Spans may hold any log as text: they are looked for first.
_SPANS = (langfuse.FORMAT, mlflow.FORMAT, otlp.FORMAT, span_json.FORMAT)
_OWN = (cloudtrail.FORMAT, *_SPANS)
FORMATS: dict[str, Format] = {
    known.name: known
    for known in (*_OWN, *(_format(*pair) for pair in zip(TABLES, KINDS, strict=True)))
}
_LISTS = tuple({name for table in TABLES for name in table.lists})
# Enough of a body that nobody knows to say what it looks like.
_LOOKED_AT = 262_144


def recognise(body: bytes) -> str | None:
    """The name of the format that a (decompressed) body is in; None when it is none of ours.

    Of a body that mixes formats, the one of most of its first records.
    """
    for known in _SPANS:
        if known.recognise(body):
            return known.name
    for table in TABLES:
        if table.text is not None and table.text.looks(body):
            return table.name
    kinds = (cloudtrail.KIND, *KINDS)
    found: Counter[str] = Counter()
    for value in reading.first_records(body, kinds, _LISTS):
        by, inner = reading.resolve(value, kinds[0], kinds[1:])
        if by.knows(inner):
            found[by.name] += 1
    if not found:
        # What wraps or damages CloudTrail's records so that none is seen whole.
        return cloudtrail.NAME if cloudtrail.FORMAT.recognise(body) else None
    return found.most_common(1)[0][0]


@cache
def _signs() -> nearest.Signs:
    return nearest.signs_of(TABLES)


def resembles(head: bytes) -> tuple[str, list[str]]:
    """What a body that none of these recognises looks like, in a few words, and which come nearest
    to it, by name."""
    head = head[:_LOOKED_AT]
    records = (
        []
        if unwrapping.is_table(head)
        else reading.first_records(head, (cloudtrail.KIND, *KINDS), _LISTS, nearest.RECORDS)
    )
    said = nearest.looks_like(head, records)
    inside = nearest.listed_in(records)
    some = [*records, *(inside[1] if inside else ())] or nearest.of_columns(head)
    return said, nearest.nearest(some, _signs())
