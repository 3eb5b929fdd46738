"""What one reading of permissions allows beyond an earlier one, in tables."""

from reviews.triggers.wider import wider

S3 = {"effect": "allow", "actions": ["s3:GetObject"], "resources": ["invoices/*"]}


def test_lifted_denial_and_lifted_condition_are_wider() -> None:
    deny = {"effect": "deny", "actions": ["s3:*"], "resources": ["payroll/*"]}
    inside = S3 | {"conditions": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    assert wider([S3, deny], [S3]) == ["no longer denied: s3:* on payroll/*"]
    assert wider([inside], [S3]) == ["s3:GetObject on invoices/*"]
    assert wider([S3], [inside, deny]) == []


def test_what_has_to_be_activated_is_wider_and_a_limit_is_not() -> None:
    eligible = S3 | {"effect": "eligible"}
    limit = S3 | {"layer": "boundary", "via": "boundary b"}
    assert wider([], [eligible]) == ["s3:GetObject on invoices/*, after activation"]
    # Activated, or assigned for good: it need not be activated any more.
    assert wider([eligible], [eligible, S3]) == ["s3:GetObject on invoices/*"]
    assert wider([S3], [S3, eligible, {"effect": "unknown", "via": "x"}]) == []
    assert wider([S3, {"effect": "unknown", "via": "x"}], [S3]) == []
    # A limit gives nothing; without it, or with a wider one, more is left.
    assert wider([S3], [S3, limit]) == []
    assert wider([S3, limit], [S3]) == ["no longer limited by boundary b"]
    assert wider([S3, limit], [S3, limit | {"resources": ["*"]}]) == ["s3:GetObject on *"]
    everything = {"effect": "allow", "not_actions": ["iam:*"], "resources": ["*"]}
    assert wider([S3], [S3, everything]) == ["all but iam:* on *"]
