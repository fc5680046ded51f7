"""What the jobs of a run may keep together, in bytes; what finds no room is named."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Quota:
    """Room for what jobs keep: `what` of them, as much as the configuration's `setting` says.

    left_out: names of the jobs that found none.
    """

    setting: str
    what: str
    limit: float
    left_out: list[str] = field(default_factory=list)
    _bytes: int = 0

    def takes(self, job: str, size: int) -> bool:
        """Return whether `size` bytes of a job find room, and count them if so."""
        if self._bytes + size > self.limit:
            self.left_out.append(job)
            return False
        self._bytes += size
        return True

    @property
    def line(self) -> str | None:
        """Say of whom something was not kept; None: of nobody."""
        if not self.left_out:
            return None
        some = ", ".join(self.left_out[:3]) + (" ..." if len(self.left_out) > 3 else "")
        return (
            f"note: {self.setting}: the {self.what} of {len(self.left_out)} jobs ({some}) are not "
            f"kept, {self.limit / 1e6:g} MB are full"
        )
