"""Pages that show more than their own app: the line, a run, a case, the front page."""
