"""The events of the Security log that are known by name: titles, and what kind of act each is.

Owns that table. Source: "Advanced security audit events" of the Windows documentation. Pure.
"""

from typing import Any

from evidence.vocabulary import AUTHENTICATION, CHANGE, ISSUANCE, REVOCATION, USE

# Attributes of directory objects that are credentials: keys and certificates that may sign in.
_CREDENTIALS = frozenset({"msds-keycredentiallink", "altsecurityidentities"})
# How the log writes that a value was deleted.
_DELETED = "%%14675"


def activity(attribute: Any, operation: Any) -> int | None:
    """What the change of a directory object (5136) is, where its attribute decides it."""
    if type(attribute) is not str or attribute.lower() not in _CREDENTIALS:
        return None
    return REVOCATION if operation == _DELETED else ISSUANCE


# Event -> (title, activity). Titles are Microsoft's.
EVENTS: dict[str, tuple[str, int]] = {
    "1102": ("The audit log was cleared", CHANGE),
    "4616": ("The system time was changed", CHANGE),
    "4624": ("An account was successfully logged on", AUTHENTICATION),
    "4625": ("An account failed to log on", AUTHENTICATION),
    "4634": ("An account was logged off", AUTHENTICATION),
    "4647": ("User initiated logoff", AUTHENTICATION),
    "4648": ("A logon was attempted using explicit credentials", AUTHENTICATION),
    "4656": ("A handle to an object was requested", USE),
    "4662": ("An operation was performed on an object", USE),
    "4663": ("An attempt was made to access an object", USE),
    "4670": ("Permissions on an object were changed", CHANGE),
    "4672": ("Special privileges assigned to new logon", AUTHENTICATION),
    "4673": ("A privileged service was called", USE),
    "4688": ("A new process has been created", USE),
    "4689": ("A process has exited", USE),
    "4697": ("A service was installed in the system", CHANGE),
    "4698": ("A scheduled task was created", CHANGE),
    "4699": ("A scheduled task was deleted", CHANGE),
    "4702": ("A scheduled task was updated", CHANGE),
    "4704": ("A user right was assigned", CHANGE),
    "4705": ("A user right was removed", CHANGE),
    "4706": ("A new trust was created to a domain", CHANGE),
    "4707": ("A trust to a domain was removed", CHANGE),
    "4713": ("Kerberos policy was changed", CHANGE),
    "4716": ("Trusted domain information was modified", CHANGE),
    "4717": ("System security access was granted to an account", CHANGE),
    "4718": ("System security access was removed from an account", CHANGE),
    "4719": ("System audit policy was changed", CHANGE),
    "4720": ("A user account was created", ISSUANCE),
    "4722": ("A user account was enabled", CHANGE),
    "4723": ("An attempt was made to change an account's password", CHANGE),
    "4724": ("An attempt was made to reset an account's password", CHANGE),
    "4725": ("A user account was disabled", REVOCATION),
    "4726": ("A user account was deleted", REVOCATION),
    "4727": ("A security-enabled global group was created", CHANGE),
    "4728": ("A member was added to a security-enabled global group", CHANGE),
    "4729": ("A member was removed from a security-enabled global group", CHANGE),
    "4730": ("A security-enabled global group was deleted", CHANGE),
    "4731": ("A security-enabled local group was created", CHANGE),
    "4732": ("A member was added to a security-enabled local group", CHANGE),
    "4733": ("A member was removed from a security-enabled local group", CHANGE),
    "4734": ("A security-enabled local group was deleted", CHANGE),
    "4735": ("A security-enabled local group was changed", CHANGE),
    "4737": ("A security-enabled global group was changed", CHANGE),
    "4738": ("A user account was changed", CHANGE),
    "4739": ("Domain Policy was changed", CHANGE),
    "4740": ("A user account was locked out", REVOCATION),
    "4741": ("A computer account was created", ISSUANCE),
    "4742": ("A computer account was changed", CHANGE),
    "4743": ("A computer account was deleted", REVOCATION),
    "4754": ("A security-enabled universal group was created", CHANGE),
    "4755": ("A security-enabled universal group was changed", CHANGE),
    "4756": ("A member was added to a security-enabled universal group", CHANGE),
    "4757": ("A member was removed from a security-enabled universal group", CHANGE),
    "4758": ("A security-enabled universal group was deleted", CHANGE),
    "4765": ("SID History was added to an account", CHANGE),
    "4766": ("An attempt to add SID History to an account failed", CHANGE),
    "4767": ("A user account was unlocked", CHANGE),
    "4768": ("A Kerberos authentication ticket (TGT) was requested", AUTHENTICATION),
    "4769": ("A Kerberos service ticket was requested", AUTHENTICATION),
    "4770": ("A Kerberos service ticket was renewed", AUTHENTICATION),
    "4771": ("Kerberos pre-authentication failed", AUTHENTICATION),
    "4776": ("The computer attempted to validate the credentials for an account", AUTHENTICATION),
    "4778": ("A session was reconnected to a Window Station", AUTHENTICATION),
    "4779": ("A session was disconnected from a Window Station", AUTHENTICATION),
    "4780": ("The ACL was set on accounts which are members of administrators groups", CHANGE),
    "4781": ("The name of an account was changed", CHANGE),
    "4782": ("The password hash of an account was accessed", USE),
    "4794": (
        "An attempt was made to set the Directory Services Restore Mode administrator password",
        CHANGE,
    ),
    "4798": ("A user's local group membership was enumerated", USE),
    "4799": ("A security-enabled local group membership was enumerated", USE),
    "4868": ("The certificate manager denied a pending certificate request", CHANGE),
    "4869": ("Certificate Services received a resubmitted certificate request", USE),
    "4870": ("Certificate Services revoked a certificate", REVOCATION),
    "4882": ("The security permissions for Certificate Services changed", CHANGE),
    "4885": ("The audit filter for Certificate Services changed", CHANGE),
    "4886": ("Certificate Services received a certificate request", USE),
    "4887": (
        "Certificate Services approved a certificate request and issued a certificate",
        ISSUANCE,
    ),
    "4888": ("Certificate Services denied a certificate request", USE),
    "4889": ("Certificate Services set the status of a certificate request to pending", USE),
    "4890": ("The certificate manager settings for Certificate Services changed", CHANGE),
    "4899": ("A Certificate Services template was updated", CHANGE),
    "4900": ("Certificate Services template security was updated", CHANGE),
    "4907": ("Auditing settings on object were changed", CHANGE),
    "4964": ("Special groups have been assigned to a new logon", AUTHENTICATION),
    "5136": ("A directory service object was modified", CHANGE),
    "5137": ("A directory service object was created", CHANGE),
    "5138": ("A directory service object was undeleted", CHANGE),
    "5139": ("A directory service object was moved", CHANGE),
    "5141": ("A directory service object was deleted", CHANGE),
    "5140": ("A network share object was accessed", USE),
    "5145": ("A network share object was checked", USE),
}
