"""`make test-agents`: the real agents, installed in pinned versions and driven without a network.

`catalogue` reads what is to be installed, `install` fetches it, `suite` runs the conformance cases
on all of them and `report` writes what came out. The cases themselves are shipped with the
package (`codencer.testing.conformance`); nothing of this folder is.
"""
