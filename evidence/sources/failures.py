"""Why a pull does not go on now. Pure."""

WAITING = "Try again in a while."


class Stopped(Exception):
    """Pulling cannot go on until somebody acts: what is wrong, and what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


class TooLarge(Stopped):
    """One answer is larger than is held in memory; a smaller page may do."""


class Later(Exception):
    """The source asks to wait, or was away: tried again after so many seconds. `fix`: what to do
    where waiting alone may not help."""

    def __init__(self, what: str, seconds: float | None = None, fix: str = WAITING) -> None:
        super().__init__(what)
        self.what, self.seconds, self.fix = what, seconds, fix
