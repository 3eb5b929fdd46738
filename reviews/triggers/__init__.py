"""Micro-reviews: what happened since the last look is noted as rows (facts, uses), and each row
opens one small review (opening). A row is the queue: nothing is lost when a worker dies.
"""
