"""What an agent's output says of its own end, gathered while it is read, and the outcome that follows.

A bad word of the agent's is believed at once. A good one counts only with an exit record that
agrees: a program that ended by itself, with code 0. An exit without any last word proves nothing.
"""

from dataclasses import dataclass, field

from codencer.adapters.command import conclude
from codencer.adapters.fragment import read_fragment
from codencer.adapters.lines import printable
from codencer.model.attempt import AgentOutcome, Ending, ErrorKind
from codencer.model.launch import ExitReason, ExitRecord
from codencer.model.step import AdapterSettings

LONGEST_SUMMARY = 2000
LONGEST_ERROR = 1000
LONGEST_NAME = 200
MOST_WARNINGS = 20
LARGEST_TOTAL = 2**63 - 1
"""The ledger's integers end there; an agent may claim what it likes."""

_DECLINING = frozenset({ErrorKind.REFUSED, ErrorKind.PERMISSION_DENIED})


def kind_of_status(status: int | None) -> ErrorKind:
    """What an HTTP status says that a model's provider answered with."""
    if status in (401, 403):
        return ErrorKind.AUTH
    if status in (402, 429):
        return ErrorKind.QUOTA
    if status is not None and (status == 408 or status >= 500):
        return ErrorKind.OVERLOAD
    return ErrorKind.CRASH


@dataclass
class Tally:
    """Filled by a parser. `done` is the agent's own good last word, `error` its bad one.

    `trouble` is the last error it got over only to go on: it explains a time limit that was reached.
    """

    settings: AdapterSettings
    done: bool = False
    error: tuple[ErrorKind, str] | None = None
    trouble: str = ""
    summary: str = ""
    session_id: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_microusd: int | None = None
    resets_at: int | None = None
    warnings: list[str] = field(default_factory=list)

    def name(self, *, session_id: str = "", model: str = "") -> None:
        """Keep what the agent calls its session and its model; nothing changes nothing."""
        self.session_id = printable(session_id, LONGEST_NAME) or self.session_id
        self.model = printable(model, LONGEST_NAME) or self.model

    def spend(self, input_tokens: int | None, output_tokens: int | None, cost: int | None = None) -> None:
        """Add what one more answer of the model took; None is unknown."""
        self.input_tokens = _sum(self.input_tokens, input_tokens)
        self.output_tokens = _sum(self.output_tokens, output_tokens)
        self.cost_microusd = _sum(self.cost_microusd, cost)

    def succeed(self) -> None:
        self.done, self.error, self.trouble = True, None, ""

    def fail(self, kind: ErrorKind, text: str) -> None:
        self.trouble = " ".join(printable(text, LONGEST_ERROR).split()) or kind
        self.done, self.error = False, (kind, self.trouble)

    def go_on(self) -> None:
        """Whatever its last word was: it is at work again."""
        self.done, self.error = False, None

    def warn(self, text: str) -> None:
        shown = printable(text, LONGEST_ERROR)
        if shown not in self.warnings and len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(shown)

    def conclude(self, exit: ExitRecord | None, fragment: bytes | None) -> AgentOutcome:
        """The outcome of the attempt; `exit` and `fragment` as `Parser.finish` gets them."""
        said = read_fragment(fragment)
        ending, kind, error = conclude(self.settings, exit, said)
        if self.trouble and ending in (Ending.TIMED_OUT, Ending.INTERRUPTED):
            error = f"{error}; its last error was: {self.trouble}"
        elif exit is not None and exit.reason is ExitReason.EXITED and ending is not Ending.DECLINED:
            ending, kind, error = self._judge(ending, kind, error)
        return AgentOutcome(
            ending=ending,
            summary=said.summary or printable(self.summary, LONGEST_SUMMARY),
            error_kind=kind,
            error=error,
            session_id=self.session_id,
            model=self.model,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_microusd=self.cost_microusd,
            questions=said.questions,
            warnings=(*said.warnings, *self.warnings),
            needs_human_decision=said.needs_human_decision,
            resets_at=self.resets_at,
        )

    def _judge(self, ending: Ending, kind: ErrorKind, error: str) -> tuple[Ending, ErrorKind, str]:
        """Of an agent that ended by itself, well or not."""
        name = self.settings.name
        if self.error is not None:
            kind, text = self.error
            declined = kind in _DECLINING
            return Ending.DECLINED if declined else Ending.BROKEN, kind, f"{name} failed: {text}"
        if ending is Ending.SUCCEEDED and not self.done:
            lost = f"{name} exited with code 0 but never said that its work was done"
            return Ending.BROKEN, ErrorKind.MALFORMED, lost
        return ending, kind, error


def _sum(total: int | None, more: int | None) -> int | None:
    if more is None:
        return total
    return min((total or 0) + more, LARGEST_TOTAL)
