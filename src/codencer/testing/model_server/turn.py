"""The model's turn: what it replies to a conversation, by the script.

Agents ask more than their user's question: titles, summaries, classifiers, commit messages. These
calls offer no tools or demand a schema; they get an answer that satisfies them, whatever the script.
"""

import json
from collections.abc import Mapping
from shlex import quote

from codencer.testing.model_server.conversation import Conversation
from codencer.testing.model_server.scenarios import SCENARIOS, Move, Run, Say, Write
from codencer.testing.model_server.script import Script
from codencer.testing.model_server.tools import Call, Reply, fitted, smallest

_FENCED = "SEARCH/REPLACE"
"""What an agent without tools writes in its instructions when it takes edits as marked blocks."""
_SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""What an agent that takes commands only wants to see printed by the last one."""
_WEIGHED = "<severity>"
"""What an agent that has its tool calls weighed by a model wants to hear: how harmful, from 0 to 100."""
_SHOWN = 120


def reply(conversation: Conversation, script: Script, address: str) -> Reply:
    """The model's reply; `address` is where a tool can reach this server."""
    if conversation.schema is not None:
        return Say(text=json.dumps(smallest(conversation.schema)))
    if conversation.prompt_file:
        return fitted(Run(command=f"tail -c 2000 {quote(conversation.prompt_file)}"), conversation)
    scenario = SCENARIOS.get(script.name)
    if scenario is None:
        return Say(text=f"There is no scenario {script.name}.")
    results = conversation.results
    if not conversation.tools and conversation.mentions(_WEIGHED):
        return Say(text=f"{_WEIGHED}0</severity>")
    if not conversation.tools:
        moves = scenario.moves(script, address)
        return _in_words(moves[0] if moves else None, conversation, script)
    move = scenario.move(script, address, len(results))
    if move is None:
        return _over(conversation, script, results)
    return fitted(move, conversation)


def spoiled(call: Call) -> str:
    """The arguments of a call as text that is no JSON any more."""
    whole = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    return whole[:-3] + "!!"


def arguments_of(call: Call, script: Script) -> str:
    """The arguments as they are sent: as JSON, or as the text of a free-form tool."""
    if script.name == "badargs" and not call.tool.free_form:
        return spoiled(call)
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def arguments_object(call: Call, script: Script) -> Mapping[str, object]:
    """The same where a vendor's answer has no room for broken JSON: names that are not the tool's."""
    if script.name == "badargs" or isinstance(call.arguments, str):
        return {"nothing": "of the kind"}
    return call.arguments


def _over(conversation: Conversation, script: Script, results: list[str]) -> Reply:
    text = f"Done as scripted: {script.name}."
    if results:
        text += f" The last of {len(results)} tools answered: {' '.join(results[-1][:_SHOWN].split())}"
    if conversation.mentions(_SUBMIT) and conversation.tools:
        return fitted(Run(command=f"echo {_SUBMIT} && echo Done as scripted: {script.name}."), conversation)
    return Say(text=text)


def _in_words(move: Move | None, conversation: Conversation, script: Script) -> Say:
    if conversation.mentions("commit message") and not conversation.mentions(_FENCED):
        return Say(text="feat: do as scripted")
    if isinstance(move, Write) and conversation.mentions(_FENCED):
        block = f"<<<<<<< SEARCH\n=======\n{move.content}>>>>>>> REPLACE"
        return Say(text=f"Done as scripted: {script.name}.\n\n{move.file}\n```text\n{block}\n```\n")
    if isinstance(move, Say):
        return move
    return Say(text=f"Done as scripted: {script.name}.")
