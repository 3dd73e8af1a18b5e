"""A scripted model: it answers as the vendors' model services do, and costs nothing.

Real agents are pointed at it, and it tells them what to do: edit this file, run that command, or it
fails them in one of the ways services fail. One server serves any number of agents at the same
time, each with a script of its own, because the script comes with the request: in the prompt
(`scripted-model:edit;file=a.txt`), else in the path of the address an agent is given. Nothing is
counted: which turn it is, is read off the conversation in the request.

script        which scenario a request asks for, and its parameters
scenarios     what each scenario has the agent do, as a list of moves
conversation  what the script needs to know of a request, whatever the vendor
dialects      one module for each vendor's way to ask and to answer
tools         a move fitted to the tools that the agent offers
faults        answers that are none: errors, nonsense, streams that break off
journal       which requests came, for whoever drives the agents
server        HTTP
"""

from codencer.testing.model_server.journal import Journal, Request
from codencer.testing.model_server.scenarios import SCENARIOS
from codencer.testing.model_server.script import Script
from codencer.testing.model_server.server import ModelServer

__all__ = ["SCENARIOS", "Journal", "ModelServer", "Request", "Script"]
