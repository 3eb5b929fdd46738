"""A delegation in words: every action is in them, the riskiest first."""

import pytest

from identities.authority import phrases


@pytest.mark.parametrize(
    ("actions", "resources", "said"),
    [
        (
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            ["invoices/*"],
            "Delete, write and read invoices/*",
        ),
        (["s3:*"], ["*"], "All of S3 on all resources"),
        (["lambda:*", "s3:GetObject"], ["a"], "All of lambda and read a"),
        (["*"], ["*"], "Everything on all resources"),
        (["s3:Get*", "s3:List*"], ["a", "b", "c", "d", "e"], "Read a, b, c and 2 more"),
        (["iam:CreateAccessKey", "iam:ListUsers"], ["*"], "Administer and read all resources"),
        (["s3:PutBucketPolicy"], ["reports"], "Administer reports"),
        (["sts:AssumeRole"], ["*"], "Administer all resources"),
        (["bedrock:InvokeModel"], ["*"], "Run all resources"),
        # What no table knows is named, and is not taken for harmless.
        (["s3:Frobnicate", "s3:GetObject"], ["a"], "“s3:Frobnicate” and read a"),
        (["s3:GetObject", "frob"], ["a"], "“frob” and read a"),
        (["s3:F*"], ["a"], "“s3:F*” on a"),
        # Kubernetes names what is acted on in the action.
        (["get pods/log", "delete pods"], ["prod/*"], "Delete pods and read pods/log on prod/*"),
        # Google, GitHub and Azure put the verb last, also behind a noun that is a verb elsewhere.
        (["storage.objects.delete", "repo.destroy"], ["x"], "Delete x"),
        (["tag.delete"], ["x"], "Delete x"),
        (["Microsoft.Storage/storageAccounts/read"], ["x"], "Read x"),
        ([], ["x"], "nothing"),
    ],
)
def test_every_action_is_said(actions: list[str], resources: list[str], said: str) -> None:
    assert phrases.phrase(actions, resources) == said
    assert phrases.phrase(actions[::-1], resources) == said


def test_riskiest_of_several_delegations_comes_first() -> None:
    assert phrases.phrases(
        [
            (["s3:GetObject"], ["a"]),
            (["s3:DeleteObject"], ["b"]),
            (["s3:PutObject"], ["a"]),
        ]
    ) == ["Delete b", "Write and read a"]


def test_more_resources_than_are_named_hide_no_action() -> None:
    many = [(["s3:GetObject"], [f"bucket-{number}"]) for number in range(9)]
    said = phrases.phrases([*many, (["s3:DeleteObject"], ["z"]), (["s3:PutObject"], ["y"])])
    assert said[:2] == ["Delete z", "Write y"]
    assert said[-1] == "Read 7 other resources"


def test_long_name_is_cut_and_the_actions_are_not() -> None:
    said = phrases.phrase(["s3:GetObject", "s3:DeleteObject"], ["x" * 500])
    assert said == f"Delete and read {'x' * (phrases.LONGEST - 1)}…"
