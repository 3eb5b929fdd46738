"""Which actions and resources a pattern covers. Tables."""

import pytest

from tests.identities.test_authority import covered


@pytest.mark.parametrize(
    ("action", "asked", "inside"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:Get*", "s3:PutObject", False),
        ("*", "iam:CreateUser", True),
        ("s3:GetObject", "s3:GetObjectAcl", False),
        # The permission that AWS checks for an operation of another name.
        ("s3:GetObject", "s3:HeadObject", True),
        ("s3:HeadObject", "s3:GetObject", False),
        ("s3:ListBucket", "s3:ListObjects", True),
        ("s3:ListBucket", "s3:ListObjectsV2", True),
        ("s3:ListObjectsV2", "s3:ListObjects", True),
        ("s3:PutObject", "s3:UploadPart", True),
        ("lambda:InvokeFunction", "lambda:Invoke", True),
        ("lambda:UpdateFunctionCode", "lambda:UpdateFunctionCode20150331v2", True),
        ("cloudwatch:GetMetricData", "monitoring:GetMetricData", True),
        ("bedrock:InvokeModel", "bedrock:Converse", True),
        # The Kelvin sign is no K.
        ("kms:Decrypt", "\u212ams:Decrypt", False),
        ("execute_tool read invoice", "execute_tool read invoice", True),
    ],
)
def test_action_pattern(action: str, asked: str, inside: bool) -> None:
    assert covered(action, "*", asked, "x/y") is inside


SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db"
OTHER = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:prod/db"


@pytest.mark.parametrize(
    ("resource", "asked", "target", "inside"),
    [
        ("invoices/*", "s3:GetObject", "invoices/2026/a.json", True),
        ("invoices/*", "s3:GetObject", "invoices-old/a.json", False),
        ("invoices/*", "s3:GetObject", "Invoices/a.json", False),
        ("arn:aws:s3:::invoices/*", "s3:GetObject", "invoices/a", True),
        ("arn:aws-cn:s3:::invoices/*", "s3:GetObject", "invoices/a", True),
        ("invoices/*", "s3:GetObject", "arn:aws:s3:::invoices/a", True),
        ("invoices/a", "s3:GetObject", "invoices/a", True),
        ("invoices/a", "s3:GetObject", "invoices/ab", False),
        # All of S3 is not all there is.
        ("arn:aws:s3:::*", "s3:GetObject", "hr-records/x", True),
        ("arn:aws:s3:::*", "secretsmanager:GetSecretValue", "prod/db", False),
        ("arn:aws:s3:::*", "iam:CreateUser", "arn:aws:iam::1:user/x", False),
        ("arn:aws:*", "s3:GetObject", "hr-records/x", True),
        # A listing looks into the bucket; other things on a bucket are about the bucket.
        ("invoices/*", "s3:ListObjects", "invoices/", True),
        ("invoices/*", "s3:ListObjects", "invoices", True),
        ("invoices/*", "s3:ListBucket", "arn:aws:s3:::invoices", True),
        ("invoices", "s3:ListObjects", "invoices/", True),
        ("invoices/", "s3:ListObjects", "invoices/", True),
        ("arn:aws:s3:::invoices", "s3:ListObjects", "invoices/2026/", True),
        ("invoices/2026/*", "s3:ListObjects", "invoices/2026/", True),
        ("invoices/2026/*", "s3:ListObjects", "invoices/", False),
        ("invoices/*", "s3:PutBucketPolicy", "invoices/", False),
        ("invoices/*", "s3:DeleteBucket", "invoices", False),
        ("invoices", "s3:DeleteBucket", "invoices/", True),
        ("invoices/", "s3:DeleteBucket", "invoices/", True),
        ("arn:aws:s3:::invoices", "s3:DeleteBucket", "invoices/", True),
        ("invoices", "s3:GetObject", "invoices/a", False),
        # A secret's ARN and its name.
        (f"{SECRET}-AbC123", "secretsmanager:GetSecretValue", "prod/db", True),
        (f"{SECRET}-??????", "secretsmanager:GetSecretValue", "prod/db", True),
        (f"{SECRET}-*", "secretsmanager:GetSecretValue", "prod/db", True),
        (SECRET, "secretsmanager:GetSecretValue", "prod/db", True),
        (SECRET, "secretsmanager:GetSecretValue", f"{SECRET}-AbC123", True),
        (f"{SECRET}-AbC123", "secretsmanager:GetSecretValue", f"{SECRET}-AbC123", True),
        (f"{SECRET}-??????", "secretsmanager:GetSecretValue", f"{SECRET}-AbC123", True),
        (SECRET, "secretsmanager:GetSecretValue", f"{OTHER}-AbC123", False),
        (SECRET, "secretsmanager:GetSecretValue", "prod/db2", False),
        (SECRET, "secretsmanager:GetSecretValue", f"{SECRET}-old-AbC123", False),
        ("prod/db", "secretsmanager:GetSecretValue", f"{SECRET}-AbC123", True),
        ("prod/*", "secretsmanager:GetSecretValue", f"{SECRET}-AbC123", True),
        ("prod/db", "secretsmanager:GetSecretValue", "prod/db", True),
        ("prod/*", "secretsmanager:GetSecretValue", "dev/db", False),
        ("arn:aws:secretsmanager:*:*:secret:*", "secretsmanager:GetSecretValue", "prod/db", True),
        ("arn:aws:secretsmanager:*:*:secret:*", "s3:GetObject", "hr-records/x", False),
        ("arn:aws:secretsmanager:*:*:secret:*", "sqs:SendMessage", "queue", False),
        # Anything else is compared as it is written.
        ("arn:aws:iam::1:role/support", "sts:AssumeRole", "arn:aws:iam::1:role/support", True),
        ("arn:aws:iam::1:role/*", "sts:AssumeRole", "arn:aws:iam::2:role/support", False),
        ("*", "sts:GetCallerIdentity", "", True),
        ("invoices/*", "s3:ListBuckets", "", False),
        # A star that somebody else wrote is a star and no wildcard.
        ("invoices/a*b", "s3:GetObject", "invoices/a*b", True),
        ("invoices/a", "s3:GetObject", "invoices/*", False),
    ],
)
def test_resource_pattern(
    resource: str,
    asked: str,
    target: str,
    inside: bool,
) -> None:
    assert covered("*", resource, asked, target) is inside
