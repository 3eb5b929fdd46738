"""From stored, linked deposits to attributions, verdicts, usage and findings.

Owns the consumer that follows evidence/links.py. Everything it writes is a function of the
events, links, bindings, delegations and states that are there: running it again, in another
order or on other cuts of the same evidence, gives the same rows (decisions 5, 8).
"""

from .absence import judge_credentials
from .queue import again, judge_all, judge_next

__all__ = ["again", "judge_all", "judge_credentials", "judge_next"]
