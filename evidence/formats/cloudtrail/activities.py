"""What kind of act a CloudTrail record is, how it ended, and which credential it issued.

Owns the tables of issuance, sign-in, change and revocation (docs: AWS service authorization
reference and the CloudTrail user guide). To teach it an operation, add a row. Pure.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from evidence.formats import aws, times
from evidence.formats.cloudtrail.identity import Who
from evidence.formats.cloudtrail.resources import opened, value_of
from evidence.formats.record import ActorName, Issued
from evidence.vocabulary import (
    AUTHENTICATION,
    CHANGE,
    ISSUANCE,
    OUTCOME_FAILED,
    OUTCOME_OK,
    OUTCOME_REFUSED,
    REVOCATION,
    SIGN_IN_WITHOUT_MFA,
    USE,
)

# What an operation is, whatever its parameters say.
ACTIVITIES: dict[str, int] = {
    "iam:CreateAccessKey": ISSUANCE,
    "iam:CreateLoginProfile": ISSUANCE,
    "iam:CreateServiceSpecificCredential": ISSUANCE,
    "iam:ResetServiceSpecificCredential": ISSUANCE,
    "iam:UploadSigningCertificate": ISSUANCE,
    "iam:UploadSSHPublicKey": ISSUANCE,
    "ec2:CreateKeyPair": ISSUANCE,
    "ec2:ImportKeyPair": ISSUANCE,
    "ec2-instance-connect:SendSSHPublicKey": ISSUANCE,
    "ec2-instance-connect:SendSerialConsoleSSHPublicKey": ISSUANCE,
    "sts:AssumeRole": ISSUANCE,
    "sts:AssumeRoleWithSAML": ISSUANCE,
    "sts:AssumeRoleWithWebIdentity": ISSUANCE,
    "sts:AssumeRoot": ISSUANCE,
    "sts:GetFederationToken": ISSUANCE,
    "sts:GetWebIdentityToken": ISSUANCE,
    "sts:GetDelegatedAccessToken": ISSUANCE,
    "signin:CreateOAuth2Token": ISSUANCE,
    "eks-auth:AssumeRoleForPodIdentity": ISSUANCE,
    "cognito-identity:GetCredentialsForIdentity": ISSUANCE,
    "cognito-identity:GetOpenIdToken": ISSUANCE,
    "cognito-identity:GetOpenIdTokenForDeveloperIdentity": ISSUANCE,
    "rolesanywhere:CreateSession": ISSUANCE,
    "sso:GetRoleCredentials": ISSUANCE,
    "sso-oauth:CreateToken": ISSUANCE,
    "sso-oauth:CreateTokenWithIAM": ISSUANCE,
    "redshift:GetClusterCredentials": ISSUANCE,
    "redshift:GetClusterCredentialsWithIAM": ISSUANCE,
    "redshift-serverless:GetCredentials": ISSUANCE,
    "bedrock-agentcore:CreateWorkloadIdentity": ISSUANCE,
    "bedrock-agentcore:GetWorkloadAccessToken": ISSUANCE,
    "bedrock-agentcore:GetWorkloadAccessTokenForJWT": ISSUANCE,
    "bedrock-agentcore:GetWorkloadAccessTokenForUserId": ISSUANCE,
    "bedrock-agentcore:GetResourceOauth2Token": ISSUANCE,
    "bedrock-agentcore:GetResourceApiKey": ISSUANCE,
    "sts:GetSessionToken": AUTHENTICATION,
    "signin:ConsoleLogin": AUTHENTICATION,
    "signin:CheckMfa": AUTHENTICATION,
    "signin:SwitchRole": AUTHENTICATION,
    "signin:ExitRole": AUTHENTICATION,
    "signin:RenewRole": AUTHENTICATION,
    "signin:GetSigninToken": AUTHENTICATION,
    "signin:CredentialChallenge": AUTHENTICATION,
    "signin:CredentialVerification": AUTHENTICATION,
    "signin:UserAuthentication": AUTHENTICATION,
    "sso:Authenticate": AUTHENTICATION,
    "sso:Federate": AUTHENTICATION,
    "cognito-idp:InitiateAuth": AUTHENTICATION,
    "cognito-idp:AdminInitiateAuth": AUTHENTICATION,
    "cognito-idp:RespondToAuthChallenge": AUTHENTICATION,
    "cognito-idp:AdminRespondToAuthChallenge": AUTHENTICATION,
    "ec2:DeleteKeyPair": REVOCATION,
    "iam:DeleteAccessKey": REVOCATION,
    "iam:DeleteLoginProfile": REVOCATION,
    "iam:DeleteServiceSpecificCredential": REVOCATION,
    "iam:DeleteSigningCertificate": REVOCATION,
    "iam:DeleteSSHPublicKey": REVOCATION,
    "iam:DeleteUser": REVOCATION,
    "iam:DeleteRole": REVOCATION,
    "rolesanywhere:DeleteTrustAnchor": REVOCATION,
    "rolesanywhere:DisableTrustAnchor": REVOCATION,
    "rolesanywhere:DeleteProfile": REVOCATION,
    "rolesanywhere:DisableProfile": REVOCATION,
    "sso:Logout": REVOCATION,
    "sso:DeleteSession": REVOCATION,
    "bedrock-agentcore:DeleteWorkloadIdentity": REVOCATION,
    # Authority that hangs on the thing itself, outside the identity services.
    "kms:CreateGrant": CHANGE,
    "kms:PutKeyPolicy": CHANGE,
    "kms:RetireGrant": CHANGE,
    "kms:RevokeGrant": CHANGE,
    "s3:PutBucketPolicy": CHANGE,
    "s3:DeleteBucketPolicy": CHANGE,
    "s3:PutBucketAcl": CHANGE,
    "s3:PutObjectAcl": CHANGE,
    "s3:PutBucketPublicAccessBlock": CHANGE,
    "s3:DeleteBucketPublicAccessBlock": CHANGE,
    "secretsmanager:PutResourcePolicy": CHANGE,
    "secretsmanager:DeleteResourcePolicy": CHANGE,
    "sns:AddPermission": CHANGE,
    "sqs:AddPermission": CHANGE,
    "s3:PutAccessPointPolicy": CHANGE,
    "eks:CreateAccessEntry": CHANGE,
    "eks:UpdateAccessEntry": CHANGE,
    "eks:DeleteAccessEntry": CHANGE,
    "eks:AssociateAccessPolicy": CHANGE,
    "eks:DisassociateAccessPolicy": CHANGE,
    "eks:CreatePodIdentityAssociation": CHANGE,
    "eks:UpdatePodIdentityAssociation": CHANGE,
    "eks:DeletePodIdentityAssociation": CHANGE,
    "lakeformation:GrantPermissions": CHANGE,
    "lakeformation:RevokePermissions": CHANGE,
    "ec2:AssociateIamInstanceProfile": CHANGE,
    "ec2:ReplaceIamInstanceProfileAssociation": CHANGE,
}
# Services whose every writing operation changes who may do what.
IDENTITY_SERVICES = frozenset(
    {
        "iam",
        "sso",
        "sso-directory",
        "identitystore",
        "organizations",
        "ram",
        "rolesanywhere",
        "access-analyzer",
        "cognito-idp",
        "cognito-identity",
    }
)
_READS = re.compile(
    r"(?:Get|List|Describe|Generate|Simulate|Search|Check|Validate|Lookup|Is|Batch[A-Z]?Get)"
)
_AUTHORITY = re.compile(
    r"(?:Add|Remove)Permission|(?:Put|Delete|Update)ResourcePolicy"
    r"|(?:Create|Update|Delete)\w*CredentialProvider"
)
# Operations that revoke when their parameters say so.
_SWITCHES = frozenset(
    {"iam:UpdateAccessKey", "iam:UpdateServiceSpecificCredential", "iam:UpdateSigningCertificate"}
)
_INLINE = frozenset({"iam:PutRolePolicy", "iam:PutUserPolicy", "iam:PutGroupPolicy"})


def activity(action: str, parameters: dict[str, Any]) -> int:
    """The activity of an operation; its parameters decide for a few."""
    known = _by_name(action)
    if known == CHANGE and action in _SWITCHES:
        return REVOCATION if value_of(parameters, "status") == "Inactive" else CHANGE
    if known == CHANGE and action in _INLINE:
        # The way to end a role's sessions: deny what was issued before a moment.
        text = parameters.get("policyDocument")
        if isinstance(text, str) and "TokenIssueTime" in text and "Deny" in text:
            return REVOCATION
    return known


@lru_cache(maxsize=16_384)
def _by_name(action: str) -> int:
    known = ACTIVITIES.get(action)
    if known is not None:
        return known
    service, _, name = action.partition(":")
    if service in IDENTITY_SERVICES:
        return USE if _READS.match(name) else CHANGE
    return CHANGE if _AUTHORITY.match(name) else USE


_REFUSED = re.compile(
    r"(?i)access.?denied|unauthori[sz]ed|not.?authori[sz]ed|authfailure|authorizationerror"
    r"|forbidden|invalidclienttokenid|unrecognizedclient|expiredtoken|invalidaccesskeyid"
    r"|signaturedoesnotmatch|missingauthenticationtoken|invalidtoken|optinrequired"
    r"|invalididentitytoken|idprejectedclaim|kmsaccessdenied"
)


_WELL = frozenset({"200", "201", "202", "204"})


@lru_cache(maxsize=4096)
def _of_code(code: str) -> int:
    return OUTCOME_REFUSED if _REFUSED.search(code) else OUTCOME_FAILED


# Who signs in with a password of AWS's own; whoever federates is asked for MFA elsewhere.
_WITH_PASSWORDS = frozenset({"IAMUser", "Root"})


def sign_in(user: Any, more: Any) -> int:
    """The activity of a console sign-in that went well, by `userIdentity` and
    `additionalEventData`."""
    by_password = type(user) is dict and user.get("type") in _WITH_PASSWORDS
    without_mfa = by_password and opened(more).get("MFAUsed") == "No"
    return SIGN_IN_WITHOUT_MFA if without_mfa else AUTHENTICATION


def outcome(code: Any, message: Any, action: str, response: Any) -> int:
    """How it ended: no error code means it worked, except where a sign-in says otherwise.

    A sign-in with a wrong password is failed, as it is in the logs of Entra and Okta.
    """
    # Some services write the status of HTTP there, of what went well too.
    if isinstance(code, str) and code and code not in _WELL:
        return _of_code(code[:200])
    if isinstance(response, dict) and action.startswith("signin:"):
        said = response.get(action.partition(":")[2])
        if isinstance(said, str) and said:
            return OUTCOME_OK if said == "Success" else OUTCOME_FAILED
    if isinstance(message, str) and message:
        return OUTCOME_REFUSED if _REFUSED.search(message[:400]) else OUTCOME_FAILED
    return OUTCOME_OK


# Where an answer names what a user was given: its member, the id in it, and what it is.
_MADE = (
    ("sSHPublicKey", "sSHPublicKeyId", "ssh_key"),
    ("certificate", "certificateId", "certificate"),
)
_KEY_PAIRS = frozenset({"ec2:CreateKeyPair", "ec2:ImportKeyPair"})


def issued(
    *, action: str, parameters: dict[str, Any], response: Any, who: Who, target: str | None
) -> Issued | None:
    """The credential that a record says came into being; None for none.

    `target` is the record's resource: for IAM's operations the user's ARN.
    """
    if not isinstance(response, dict):
        if action == "iam:CreateLoginProfile" and target:
            return _login(target)
        return None
    holder = response
    sets = response.get("credentialSet")
    if isinstance(sets, list) and sets and isinstance(sets[0], dict):
        # IAM Roles Anywhere answers with a list of one.
        holder = sets[0]
    temporary = holder.get("credentials") or holder.get("roleCredentials")
    if isinstance(temporary, dict):
        key = value_of(temporary, "accessKeyId")
        if key:
            return _temporary(key, temporary, parameters, holder, who)
    if action == "iam:CreateLoginProfile" and target:
        return _login(target)
    made = response.get("accessKey")
    if isinstance(made, dict):
        key = value_of(made, "accessKeyId")
        if key:
            return Issued(aws.access_key(key), _user(target, who), True, None)
    made = response.get("serviceSpecificCredential")
    if isinstance(made, dict):
        name = value_of(made, "serviceSpecificCredentialId")
        if name:
            user = _user(target, who)
            account = aws.account_of(user.value) if user else ""
            ends = moment(made.get("expirationDate"))
            credential = aws.named("service_credential", name, account)
            return Issued(credential, user, ends is None, ends)
    for member, name, kind in _MADE:
        made = response.get(member)
        number = value_of(made, name) if isinstance(made, dict) else None
        if number:
            user = _user(target, who)
            return Issued(
                aws.named(kind, number, aws.account_of(user.value) if user else "", user),
                user,
                True,
                None,
            )
    if action in _KEY_PAIRS:
        number = value_of(response, "keyPairId") or value_of(response, "keyName")
        account = aws.account_of(who.principal.value) if who.principal else ""
        return (
            Issued(aws.named("key_pair", number, account), who.principal, True, None)
            if number
            else None
        )
    token = response.get("webIdentityTokenId")
    if isinstance(token, str) and token:
        account = aws.account_of(who.principal.value) if who.principal else ""
        credential = aws.named("token", token, account, who.standing)
        return Issued(credential, who.principal, False, moment(response.get("expiration")))
    return None


def _login(target: str) -> Issued:
    user = aws.arn_actor(target)
    credential = aws.named("login_profile", target, aws.account_of(target), user)
    return Issued(credential, user, True, None)


def _user(target: str | None, who: Who) -> ActorName | None:
    return aws.arn_actor(target) if target and target.startswith("arn:") else who.principal


def _temporary(
    key: str,
    credentials: dict[str, Any],
    parameters: dict[str, Any],
    holder: dict[str, Any],
    who: Who,
) -> Issued:
    """A key of STS: its parent is the role that was assumed, or the user it was made for."""
    role = value_of(parameters, "roleArn") or value_of(holder, "roleArn")
    role = role or value_of(parameters, "targetPrincipal") or ""
    session = _arn_in(holder.get("assumedRoleUser"))
    if not session and role:
        session = aws.session_arn(role, value_of(parameters, "roleSessionName") or "")
    federated = _arn_in(holder.get("federatedUser"))
    to: ActorName | None
    if session:
        to = aws.role_session(session, role)
        parent = to.parent
    elif federated:
        parent = who.standing
        to = aws.named("federated", federated, aws.account_of(federated), parent)
    elif role:
        to = parent = aws.arn_actor(role if role.startswith("arn:") else f"account/{role}", role)
    else:
        to, parent = who.principal, who.standing
    expires = credentials.get("expiration", credentials.get("Expiration"))
    return Issued(aws.access_key(key, parent), to, False, moment(expires))


def _arn_in(value: Any) -> str:
    return (value_of(value, "arn") or "") if isinstance(value, dict) else ""


# `Jul 10, 2023, 1:06:39 PM` and `Jul 10, 2023 12:24:29 PM`: how responses write times.
_WRITTEN = ("%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %I:%M:%S %p")
_SPACES = re.compile(r"\s+")


def moment(value: Any) -> int | None:
    """Microseconds since 1970 of any way AWS writes a time; None when it is no time between 2000
    and 2100, such as the year 1 or 9999 of a program that knew none."""
    at: int | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000 if value > 1e11 else value
        at = int(seconds * 1_000_000) if 0 < seconds < 1e11 else None
    elif isinstance(value, str) and len(value) < 64:
        at = _written(value)
    return at if at is not None and times.EARLIEST <= at <= times.LATEST else None


@lru_cache(maxsize=65_536)
def _written(text: str) -> int | None:
    found: datetime | None = None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        plain = _SPACES.sub(" ", text)
        for form in _WRITTEN:
            try:
                found = datetime.strptime(plain, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            break
    if found is None:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    try:
        since = found - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
