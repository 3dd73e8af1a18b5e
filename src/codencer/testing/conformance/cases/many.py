"""Several attempts by the same agent: one that goes on from another, and eight at the same time."""

from codencer.testing.conformance.case import Case
from codencer.testing.conformance.goals import goal
from codencer.testing.conformance.profile import Fact, Speaks
from codencer.testing.conformance.trial import Trial

AT_ONCE = 8


def resume(trial: Trial) -> None:
    """A second attempt with feedback: in the same conversation where the agent can, else in a new one."""
    first = trial.run(trial.goal(trial.script("edit")))
    if not trial.expect(first, "completed", files={"hello.txt": "A"}):
        return
    script = trial.script("edit", file="second.txt")
    feedback = goal(trial.profile, script, trial.server.url, "Once more, in another file.")
    trial.place.cli("step", "retry", first.step_id, "--force", "--feedback", feedback)
    second = trial.settled(first.step_id)
    trial.check(second.result["attempt_number"] == 2, "there was no second attempt")
    if not trial.expect(second, "completed", files={"second.txt": "A"}):
        return
    if trial.profile.resumes and trial.profile.tells_of(Fact.SESSION):
        sessions = first.agent["session_id"], second.agent["session_id"]
        trial.check(sessions[0] == sessions[1], f"the conversation was {sessions[0]} and then {sessions[1]}")
    if trial.profile.speaks is Speaks.MODEL:
        prompts = max(each.prompts for each in trial.server.journal.of(trial.name))
        wanted = 2 if trial.profile.resumes else 1
        trial.check(prompts == wanted, f"{prompts} prompts were in the conversation, not {wanted}")


def parallel(trial: Trial) -> None:
    """Eight at once in one home: each does its own work, and all are at work at the same moment."""
    steps = []
    for number in range(1, AT_ONCE + 1):
        parameters = {"id": f"{trial.name}-{number}", "file": f"file-{number}.txt", "content": f"by {number}"}
        script = trial.script("edit", **parameters, meet=trial.name, count=str(AT_ONCE))
        steps.append(trial.submit(trial.goal(script), wait=False).document["id"])
    outcomes = [trial.settled(step) for step in steps]
    for number, found in enumerate(outcomes, 1):
        if trial.expect(found, "completed", files={f"file-{number}.txt": "A"}):
            trial.check(f"+by {number}\n" in found.diff, f"file-{number}.txt has another's content")
    sessions = [each.agent["session_id"] for each in outcomes]
    if trial.profile.tells_of(Fact.SESSION):
        trial.check(len(set(sessions)) == AT_ONCE, f"their conversations are {sessions}")
    trial.check(trial.server.meetings.held(trial.name), f"{AT_ONCE} were never at work at the same moment")


CASES = (
    Case(name="resume", about="a second attempt goes on from the first", run=resume),
    Case(name="parallel", about="eight attempts at the same time", run=parallel, alone=True),
)
