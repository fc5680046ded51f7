"""Operations on their way: to the store, or into the outbox once it takes no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from htmrun.execution.signals import uninterrupted
from htmrun.tracking.operations import End, Operation
from htmrun.tracking.outbox import FOLDER, Outbox, Waiting, cause, send, waiting
from htmrun.tracking.store import Store


class Delivery:
    """Writes operations in their order; from the first that the store refuses on, to the outbox.

    `losing`: something could be written to neither.
    """

    def __init__(
        self, store: Store, uri: str, directory: Path, experiment: str, run: str, attempt: str,
        notice: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._store, self._uri, self._directory = store, uri, directory
        self._experiment, self._run, self._attempt = experiment, run, attempt
        self._notice = notice
        self._outbox: Outbox | None = None
        self._incomplete: set[str] = set()
        self.losing = False

    @property
    def direct(self) -> bool:
        """Whether the store has taken everything so far."""
        return self._outbox is None

    @property
    def waits(self) -> bool:
        """Whether something is kept in the outbox."""
        return self._outbox is not None and self._outbox.path.exists()

    def write(self, operation: Operation) -> None:
        """Write `operation`; what can be written nowhere is said once, and its job fails."""
        # Cut off in the middle, a transaction keeps the database locked for as long as anything
        # holds the exception: for those, too, that are to say what was interrupted.
        with uninterrupted():
            self._deliver(operation)

    def send_waiting(self) -> None:
        """Send what earlier attempts at this run have left for this store."""
        for one in waiting(self._directory, self._run):
            if one.uri in ("", self._uri):
                send(one, self._notice)

    def send_own(self) -> None:
        """Try once more to send what this attempt has left."""
        if self._outbox is not None and not send(Waiting(self._outbox.path), self._notice):
            self._notice("they are sent by htmrun sync, or by the next run to the same store")

    def _deliver(self, operation: Operation) -> None:
        if operation.job in self._incomplete:
            # Of a job of which something is lost, only that it is to be run again.
            if not isinstance(operation, End):
                return
            operation = replace(operation, status="FAILED")
        if self._outbox is None:
            try:
                self._store.apply(operation)
                return
            except Exception as error:
                failure = error
        try:
            outbox = self._outbox or self._open_outbox(failure)
            outbox.append(operation)
        except OSError as error:
            if not self.losing:
                self._notice(f"warning: tracking records are being lost: {cause(error)}")
            self.losing = True
            self._incomplete.add(operation.job)

    def _open_outbox(self, failure: Exception) -> Outbox:
        self._outbox = Outbox(
            self._directory / FOLDER,
            self._run,
            uri=self._uri,
            experiment=self._experiment,
            attempt=self._attempt,
        )
        self._notice(
            f"warning: logging to MLflow failed ({cause(failure)}); the run goes on, "
            f"its records are kept in {self._outbox.path}"
        )
        return self._outbox
