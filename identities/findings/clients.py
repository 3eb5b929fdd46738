"""Which programs a person works with by hand, as user agents and sign-ins tell. Pure.

Two tables. A client that is interactive in itself (a browser, the AWS console, a cloud shell, a
prompt) is a person's whatever else is known. A command line tool is a script's as well: it counts
only beside what is known of the agent (identities/judging/interactive.py). The first row that fits
decides; who sends a user agent may write anything into it, so it is never more than inferred.
"""

import re
from functools import lru_cache
from typing import NamedTuple


class Client(NamedTuple):
    """One program with which people call."""

    name: str  # as pages say it
    in_itself: bool  # False: scripts use it as well


_IN_ITSELF, _TOOLS = True, False
# In lower case, without the brackets that CloudTrail writes around what a service was told.
_CLIENTS = (
    # PowerShell and bots call themselves Mozilla, and are no browsers.
    (r"mozilla/.*powershell", "PowerShell", _TOOLS),
    (r"mozilla/.*(?:compatible;|bot\b|headless)", "", _TOOLS),
    (r"mozilla/5\.0 .*(?:gecko|applewebkit)", "a web browser", _IN_ITSELF),
    (
        (
            r"signin\.amazonaws\.com|console(?:\.[a-z0-9-]+)?\.amazonaws\.com"
            r"|[a-z0-9]+ ?console(?:/[0-9.]+)?, aws-internal|aws ?console"
        ),
        "the AWS console",
        _IN_ITSELF,
    ),
    (r"aws-cli/.*exec-env/cloudshell", "AWS CloudShell", _IN_ITSELF),
    (r"aws-cli/.*md/prompt#(?:on|partial)", "the AWS CLI's prompt", _IN_ITSELF),
    (r"aws-cli/", "the AWS CLI", _TOOLS),
    # Google's says of itself whether somebody sits before it.
    (r".*gcloud/.*environment/devshell", "Google Cloud Shell", _IN_ITSELF),
    (r".*gcloud/.*from-script/true", "the gcloud CLI", _TOOLS),
    (r".*gcloud/.*interactive/true", "the gcloud CLI at a terminal", _IN_ITSELF),
    (r".*gcloud/", "the gcloud CLI", _TOOLS),
    (r".*gsutil/.* interactive/true", "gsutil at a terminal", _IN_ITSELF),
    (r".*gsutil/", "gsutil", _TOOLS),
    (r"google-cloud-sdk bq/", "the BigQuery CLI", _TOOLS),
    (r".*azurecli/.*cloud-shell/", "Azure Cloud Shell", _IN_ITSELF),
    (r".*azurecli/", "the Azure CLI", _TOOLS),
    (r".*powershell", "PowerShell", _TOOLS),
    (r"microsoft azure storage explorer", "Azure Storage Explorer", _IN_ITSELF),
    (r"azcopy/", "AzCopy", _TOOLS),
    # A terminal in a container: the request itself asks for one (evidence/formats/kubernetes.py).
    (r"(?:.* )?tty=true$", "a terminal in a container", _IN_ITSELF),
    (r"k9s/", "k9s", _IN_ITSELF),
    (r"(?:open)?lens/", "Lens", _IN_ITSELF),
    (r"kubectl(?:\.exe)?/", "kubectl", _TOOLS),
    (r"oc(?:\.exe)?/", "the OpenShift CLI", _TOOLS),
    (r"(?:pgadmin|dbeaver|datagrip|tableplus)\b", "a database client with windows", _IN_ITSELF),
    (r"psql\b", "psql", _TOOLS),
    (r"snowflake(?:_ui| web app)", "Snowsight", _IN_ITSELF),
    (r"snowsql\b", "SnowSQL", _TOOLS),
    (r"github cli ", "the GitHub CLI", _TOOLS),
    (r"postmanruntime/", "Postman", _TOOLS),
    (r"insomnia/", "Insomnia", _TOOLS),
    (r"curl/", "curl", _TOOLS),
    (r"wget/", "Wget", _TOOLS),
    (r"httpie/", "HTTPie", _TOOLS),
)
_KNOWN = tuple((re.compile(form), Client(name, sure)) for form, name, sure in _CLIENTS)
# What the systems call it when a person has signed in. With Entra, kinds of principals tell
# people from applications.
SIGN_INS = frozenset(
    {
        "signin:consolelogin",
        "user.session.start",
        "user.authentication.sso",
        "sign-in activity",
        "login:login_success",
        "google.login.loginservice.loginsuccess",
        "user.login",
        "s",  # Auth0
        "login.succeeded",  # OpenAI
        # Databricks, with a browser. A plain login may be a token's.
        "accounts.samllogin",
        "accounts.aadbrowserlogin",
        "accounts.oidcbrowserlogin",
        # Vault's other methods are machines' as well.
        "read auth/oidc/login",
        "update auth/oidc/login",
    }
)
_PERSONS = frozenset({"user", "federated", "role_session", "email", "account"})
_USER_OR_ROOT = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(?:user/.+|root)")


@lru_cache(maxsize=16_384)
def client(user_agent: str) -> Client | None:
    """The interactive client that a user agent names; None for programs and for what is unknown."""
    plain = user_agent.strip().strip("[]").lower()[:1000]
    for form, known in _KNOWN:
        if form.match(plain):
            return known if known.name else None
    return None


def signs_in(action: str) -> bool:
    """Whether this action is a person's signing in, for a principal that may be one."""
    return action.lower() in SIGN_INS


def people_of(realm: str) -> str:
    """Among whom the people of this realm are looked for: of Google Cloud, service accounts are a
    project's, and people a domain's or Workspace's."""
    return "google" if realm.partition(":")[0] in ("gcp", "workspace") else realm


def may_be_a_person(kind: str, value: str) -> bool:
    """Whether an actor of this kind can sign in as a person, as far as its name tells."""
    return kind in _PERSONS or (kind == "arn" and _USER_OR_ROOT.fullmatch(value) is not None)
