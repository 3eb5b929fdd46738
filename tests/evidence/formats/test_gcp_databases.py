"""Google Cloud: statements in Cloud SQL and AlloyDB inside audit entries; chains of delegates."""

from typing import Any

import orjson
import pytest

from evidence.formats.record import ActorName
from evidence.vocabulary import CHANGE, ISSUANCE, REVOCATION, USE
from tests.evidence.formats.abuse import ASKED, parse, read, survives
from tests.evidence.formats.test_gcp import ADDRESS, CLERK, ROSA, ROWS, changed, lower

SERVER = "projects/ledger-prod/instances/books"
CLUSTER = "projects/ledger-prod/locations/europe-west1/clusters/main/instances/first"
AUDIT = {
    "@type": "type.googleapis.com/google.cloud.sql.audit.v1.PgAuditEntry",
    "auditClass": "READ",
    "auditType": "SESSION",
    "command": "SELECT",
    "database": "hr",
    "databaseSessionId": 2209,
    "object": "public.salaries",
    "objectType": "TABLE",
    "parameter": "private words",
    "statement": "SELECT * FROM salaries WHERE name = 'private words'",
    "statementId": 2,
    "substatementId": 1,
    "user": "reader",
}


def entry(server: str = SERVER, **said: Any) -> dict[str, Any]:
    method = "alloydb.instances.query" if "/clusters/" in server else "cloudsql.instances.query"
    request = {name: value for name, value in {**AUDIT, **said}.items() if value is not None}
    return {
        "insertId": "ins-90",
        "logName": "projects/ledger-prod/logs/cloudaudit.googleapis.com%2Fdata_access",
        "timestamp": "2031-03-04T05:12:00.250Z",
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "methodName": method,
            "resourceName": server,
            "request": request,
        },
    }


@pytest.mark.parametrize("export", [dict, lower])
def test_statement_is_its_roles_on_its_object(export: Any) -> None:
    record = read("gcp", export(entry()))
    assert (record.action, record.activity) == ("SELECT", USE)
    assert record.resource == f"{SERVER}/hr/public.salaries"
    assert record.principal == ActorName("postgres:ledger-prod/books", "user", "reader")
    assert (record.conversation, record.realm) == ("2209", "gcp:ledger-prod")


def test_statement_keeps_its_form_and_its_command() -> None:
    kept = parse("gcp", entry()).kept
    assert b"private words" not in kept
    assert b"SELECT * FROM salaries WHERE name = ?" in kept
    assert b'"command":"SELECT"' in kept
    whole = parse("gcp", entry(), ASKED._replace(keep_content=True)).records[0]
    assert whole._replace(digest=b"") == read("gcp", entry())._replace(digest=b"")


def test_roles_of_a_cluster_are_those_of_all_its_instances() -> None:
    kind = "type.googleapis.com/google.cloud.alloydb.audit.v1.PgAuditEntry"
    record = read("gcp", entry(CLUSTER, **{"@type": kind, "object": None}))
    assert record.resource == f"{CLUSTER}/hr"
    assert record.principal == ActorName("postgres:ledger-prod/europe-west1/main", "user", "reader")


@pytest.mark.parametrize(
    ("command", "statement", "action", "activity"),
    [
        ("INSERT", "INSERT INTO a VALUES (1)", "INSERT", USE),
        ("delete", "delete from a", "DELETE", USE),
        ("CREATE ROLE", "CREATE ROLE x", "CREATE ROLE", ISSUANCE),
        ("DROP ROLE", "DROP ROLE x", "DROP ROLE", REVOCATION),
        ("GRANT", "GRANT a TO b", "GRANT", CHANGE),
        # As the door kept it before this was read: the word is gone, the form is not.
        ("[content:11]", "create  role x", "CREATE ROLE", ISSUANCE),
        ("[content:6]", "<masked>", "READ", USE),
        (None, None, "READ", USE),
    ],
)
def test_statement_is_named_as_the_server_names_it(
    command: str | None, statement: str | None, action: str, activity: int
) -> None:
    record = read("gcp", entry(command=command, statement=statement))
    assert (record.action, record.activity) == (action, activity)


def test_statement_of_mysql_is_read_as_well() -> None:
    row = entry()
    row["protoPayload"]["request"] = {
        "@type": "type.googleapis.com/google.cloud.sql.audit.v1.MysqlAuditEntry",
        "cmd": "select",
        "user": "reader",
        "objects": [{"db": "hr", "name": "salaries"}],
        "query": "select * from salaries where name = 'private words'",
    }
    parsed = parse("gcp", row)
    record = parsed.records[0]
    assert (record.action, record.resource) == ("SELECT", f"{SERVER}/hr/salaries")
    assert record.principal == ActorName("mysql:ledger-prod/books", "user", "reader")
    assert b"private words" not in parsed.kept


@pytest.mark.parametrize(
    "request_", [None, [], "x", {}, {"@type": "x"}, {"@type": AUDIT["@type"]}, {"@type": 7}]
)
def test_entry_that_tells_of_no_statement_keeps_its_method(request_: Any) -> None:
    row = entry()
    row["protoPayload"]["request"] = request_
    record = read("gcp", row)
    assert (record.action, record.resource) == ("cloudsql.instances.query", SERVER)


def test_command_of_a_cluster_is_still_content() -> None:
    row = changed(ROWS[10], request={"command": ["sh", "-c", "private words"]})
    assert b"private words" not in parse("gcp", row).kept


def account(name: str) -> str:
    return f"{name}@ledger-prod.iam.gserviceaccount.com"


def delegate(address: str) -> dict[str, Any]:
    return {"firstPartyPrincipal": {"principalEmail": address}}


def test_every_delegate_of_a_chain_is_kept_in_the_credential() -> None:
    way = [delegate(ROSA.value), delegate(account("first")), {"x": 1}, delegate(account("second"))]
    used = read(
        "gcp",
        changed(
            ROWS[3],
            authenticationInfo={"principalEmail": ADDRESS, "serviceAccountDelegationInfo": way},
        ),
    )
    assert (used.principal, used.on_behalf) == (CLERK, ROSA)
    name = f"{ADDRESS} by {ROSA.value} via {account('first')}, {account('second')}"
    assert used.credential == ActorName("gcp:ledger-prod", "session", name, CLERK)
    # Two ways to one account are two credentials.
    shorter = changed(
        ROWS[3],
        authenticationInfo={"principalEmail": ADDRESS, "serviceAccountDelegationInfo": way[:2]},
    )
    assert read("gcp", shorter).credential != used.credential


def test_token_issued_over_delegates_is_the_one_that_is_used() -> None:
    payload = ROWS[2]["protoPayload"]
    listed = [f"projects/-/serviceAccounts/{account(name)}" for name in ("first", "second")]
    asked = {**payload.get("request", {}), "delegates": [*listed, 7, "nobody"]}
    issued = read("gcp", changed(ROWS[2], request=asked)).issued
    way = [delegate(one) for one in (ROSA.value, account("first"), account("second"))]
    who = {"principalEmail": ADDRESS, "serviceAccountDelegationInfo": way}
    used = read("gcp", changed(ROWS[3], authenticationInfo=who))
    assert issued is not None
    assert issued.credential == used.credential


def test_token_issued_with_a_borrowed_token_is_the_one_that_is_used() -> None:
    first = account("first")
    info = {"principalEmail": first, "serviceAccountDelegationInfo": [delegate(ROSA.value)]}
    issued = read("gcp", changed(ROWS[2], authenticationInfo=info)).issued
    way = [delegate(ROSA.value), delegate(first)]
    who = {"principalEmail": ADDRESS, "serviceAccountDelegationInfo": way}
    used = read("gcp", changed(ROWS[3], authenticationInfo=who))
    assert issued is not None
    assert issued.credential == used.credential
    assert orjson.dumps(issued.credential.value).endswith(f'via {first}"'.encode())


def test_statements_and_chains_survive_hostile_values() -> None:
    way = [delegate(ROSA.value), delegate(account("first"))]
    who = {"principalEmail": ADDRESS, "serviceAccountDelegationInfo": way}
    survives("gcp", [entry(), entry(CLUSTER), changed(ROWS[3], authenticationInfo=who)])
