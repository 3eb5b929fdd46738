"""Kubernetes: one cluster's API, for what it lists of itself.

Its audit log is not asked for: the API server pushes it (docs/sources.md). What is connected here
is read by the inventory alone, and never pulled.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping

from evidence.sources import connector_secrets, tokens
from evidence.sources.contract import Asked, Check, Connector, Field, Http, Page, tried
from evidence.sources.failures import Stopped

# What the inventory lists, one request each for the test of the connection.
LISTS = (
    ("service accounts", "/api/v1/serviceaccounts"),
    ("roles", "/apis/rbac.authorization.k8s.io/v1/roles"),
    ("cluster roles", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("role bindings", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    ("cluster role bindings", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
)


def client_of(asked: Asked) -> Http:
    """A client of its own that trusts the cluster's own authority. Raises Stopped."""
    named = asked.settings.get("authority", "")
    try:
        # Certificates are no secret: what is said of them may repeat them.
        text = connector_secrets.read(named, called="authority").text if named else ""
        return asked.http.trusting(text)
    except (ssl.SSLError, ValueError):
        raise Stopped(
            "What authority refers to is no certificate in PEM.",
            "Name the cluster's ca.crt, as in its kubeconfig.",
        ) from None


def headers_of(asked: Asked) -> Callable[[], Mapping[str, str]]:
    """Who asks; the token is read each time, because the platform renews its file."""
    return lambda: {
        "Authorization": f"Bearer {asked.secret('token')}",
        "Accept": "application/json",
    }


def pages(_: Asked) -> Iterator[Page]:
    """Nothing: the audit log is pushed."""
    return iter(())


def check(asked: Asked) -> Iterator[Check]:
    """One look at each list."""
    base, headers = asked.settings["url"].rstrip("/"), headers_of(asked)
    with client_of(asked) as http:
        for title, path in LISTS:

            def look(path: str = path) -> str:
                answer = http.get(f"{base}{path}?limit=1", headers=headers())
                if type(tokens.document(answer).get("items")) is not list:
                    raise Stopped(
                        "The answer is no list of Kubernetes.", "Check the address of the API."
                    )
                return "can be listed"

            yield tried(f"list {title}", look)


CONNECTOR = Connector(
    name="kubernetes",
    title="Kubernetes cluster (what it lists; its audit log is pushed)",
    format="kubernetes",
    plane="identity",
    fields=(
        Field("url", "Address of the API server", "url", help="as in its kubeconfig"),
        Field("cluster", "Name of the cluster", help="as its audit log names it"),
        Field("token", "Token of a service account", "secret", help="that may list, nothing else"),
        Field(
            "authority",
            "Its certificate authority",
            "secret",
            required=False,
            help="ca.crt; empty: the authorities this machine trusts",
        ),
    ),
    pages=pages,
    check=check,
    gap_free=False,
    lists_only=True,
    needs="list serviceaccounts, roles, clusterroles, rolebindings, clusterrolebindings",
)
