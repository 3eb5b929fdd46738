"""The two kinds of failure of a notice: try again later, or a person must change something."""


class Temporary(Exception):
    """It may work later."""


class Permanent(Exception):
    """Trying again changes nothing."""
