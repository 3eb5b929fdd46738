"""Who might own a thing, by what its system says of it: tags, labels, annotations. Pure.

Owns the table of names that people give such tags. A hint is shown to who claims an identity;
nothing is decided by one: anybody who may tag a thing may write one.
"""

from collections.abc import Iterable, Mapping

from identities.inventory.contract import Hint

MOST = 12
LONGEST = 300

# A tag's name, folded: letters and digits only, of a prefixed name the part behind the slash.
NAMES: dict[str, str] = {
    **dict.fromkeys(
        ("owner", "ownedby", "owneremail", "owners", "contact", "contactemail", "maintainer",
         "maintainers", "responsible", "technicalowner", "serviceowner"),
        "owner",
    ),
    **dict.fromkeys(
        ("team", "teamname", "owningteam", "ownerteam", "squad", "department", "costcenter",
         "businessunit", "group", "oncall"),
        "team",
    ),
    **dict.fromkeys(
        ("creator", "createdby", "createdfor", "requester", "requestedby", "gitlastmodifiedby",
         "gitmodifiers"),
        "creator",
    ),
    **dict.fromkeys(
        ("awscloudformationstackname", "cloudformationstackname", "stack", "terraform",
         "terraformworkspace", "terraformmodule", "iac", "iacpath", "gitfile", "gitrepo", "gitorg",
         "repo", "repository", "sourcerepo", "source", "sourcecode", "yorname", "managedby",
         "releasename", "helmshchart", "trackingid", "pulumistack", "config"),
        "iac",
    ),
    **dict.fromkeys(("codeowners", "codeowner"), "codeowners"),
    **dict.fromkeys(
        ("cmdb", "cmdbid", "cmdbci", "ci", "ciid", "configurationitem", "appid", "applicationid",
         "serviceid", "sysid", "snowci", "servicenowid"),
        "cmdb",
    ),
}  # fmt: skip


def folded(name: str) -> str:
    """``app.kubernetes.io/managed-by`` → ``managedby``; ``aws:cloudformation:stack-name`` whole."""
    return "".join(one for one in name.rsplit("/", 1)[-1].lower() if one.isalnum())


def of_tags(tags: Mapping[str, str], word: str = "tag") -> tuple[Hint, ...]:
    """The hints among tags, in the order of their names."""
    return bounded(
        Hint(kind, value, f"{word} {name}")
        for name, value in sorted(tags.items())
        if (kind := NAMES.get(folded(name))) and value
    )


def bounded(found: Iterable[Hint]) -> tuple[Hint, ...]:
    """At most so many hints, each of bounded length, without those said twice."""
    shortened = (
        Hint(one.kind, one.value[:LONGEST].replace("\0", ""), one.seen_in[:120].replace("\0", ""))
        for one in found
        if one.value
    )
    return tuple(dict.fromkeys(shortened))[:MOST]
