"""Questions of agents at work: which are open, and a person's answer, recorded before it is passed on."""

import time
from collections.abc import Sequence

from codencer.engine.addresses import identifier, step_address
from codencer.engine.rooms import Rooms, the_step
from codencer.errors import Conflict, InvalidInput, NotFound
from codencer.ledger import Queries, Transaction
from codencer.model.dialogue import ALLOWING, REFUSING, Option, narrowest
from codencer.model.event import EventKind
from codencer.model.ids import IdKind
from codencer.model.question import AgentQuestion, AnsweredBy, QuestionState
from codencer.model.step import Step

_WORDS = {
    **dict.fromkeys(("allow", "yes", "y"), ALLOWING),
    **dict.fromkeys(("deny", "reject", "no", "n"), REFUSING),
}
"""What a person may say instead of the agent's own words for an option."""


async def questions(rooms: Rooms, address: str) -> list[AgentQuestion]:
    """What the agent of the step's newest attempt asked, in its order."""

    def read(queries: Queries) -> list[AgentQuestion]:
        return of_step(queries, the_step(queries, step_address(queries, address)))

    return await rooms.ledger.read(read)


def of_step(queries: Queries, step: Step) -> list[AgentQuestion]:
    return queries.questions(step.latest_attempt_id) if step.latest_attempt_id else []


def still_open(asked: Sequence[AgentQuestion]) -> list[AgentQuestion]:
    return [each for each in asked if each.state is QuestionState.OPEN]


async def answer(rooms: Rooms, address: str, text: str, actor: str, *, question: str | None = None) -> Step:
    """Answer an open question of a step's agent, which hears of it at once; durable when it returns.

    Args:
        text: the id or the name of one of its options, or `allow` or `deny`.
        question: which one; may be left out when only one is open.

    Raises:
        Conflict: none is open, several are and none is named, or it was answered or has expired already.
        InvalidInput: the text names none of its options.
    """

    def write(tx: Transaction) -> Step:
        step = the_step(tx, step_address(tx, address))
        asked = _open(step, of_step(tx, step), _named(tx, question))
        option = _chosen(asked, text)
        body = {
            "question_id": asked.id,
            "option": option.id,
            "actor": actor,
            "by": AnsweredBy.PERSON,
        }
        ids = {"run_id": step.run_id, "step_id": step.id, "attempt_id": asked.attempt_id}
        tx.append(EventKind.QUESTION_ANSWERED, body, **ids)
        return the_step(tx, step.id)

    return await rooms.ledger.write(write)


def _named(queries: Queries, address: str | None) -> str | None:
    return None if address is None else identifier(queries, IdKind.QUESTION, address)


def _open(step: Step, asked: Sequence[AgentQuestion], question_id: str | None) -> AgentQuestion:
    if question_id is None:
        waiting = still_open(asked)
        if not waiting:
            raise Conflict(
                f"no question of step {step.id} waits for an answer. `codencer step retry {step.id} "
                "--feedback TEXT` tells its agent something in a new attempt"
            )
        if len(waiting) > 1:
            listed = ", ".join(each.id for each in waiting)
            raise Conflict(
                f"several questions of step {step.id} are open: say which one with --question ({listed})"
            )
        found = waiting[0]
    else:
        of_this_step = (each for each in asked if each.id == question_id)
        named = next(of_this_step, None)
        if named is None:
            raise NotFound(f"the newest attempt of step {step.id} has asked no question {question_id}")
        found = named
    return _answerable(found)


def _answerable(found: AgentQuestion) -> AgentQuestion:
    if found.state is QuestionState.ANSWERED:
        raise Conflict(
            f"question {found.id} was answered already, by {found.actor} ({found.by}); it is answered once"
        )
    if found.state is QuestionState.VOID:
        raise Conflict(f"question {found.id} cannot be answered any more: its agent has ended")
    if found.expires_at <= time.time_ns() // 1000:
        raise Conflict(f"question {found.id} has expired: nobody answered in time, so it is being refused")
    return found


def _chosen(asked: AgentQuestion, text: str) -> Option:
    word = text.strip()
    for option in asked.options:
        if word == option.id:
            return option
    for option in asked.options:
        if word.lower() == option.name.lower():
            return option
    kinds = _WORDS.get(word.lower())
    found = narrowest(asked.options, kinds) if kinds else None
    if found is None:
        offered = ", ".join(f"{each.id!a} ({each.name})" for each in asked.options) or "no option at all"
        raise InvalidInput(
            f"{text!a} is no answer to question {asked.id}, which offers {offered}; nothing was said"
        )
    return found
