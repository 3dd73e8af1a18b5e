"""An agent that says it is done, in every place where somebody might believe it."""

from functools import partial

from tests.verdicts.case import ASKED, UNPROVEN, Case
from tests.verdicts.layouts import PYTEST, SHELL, UNITTEST
from tests.verdicts.layouts.layout import write

CLAIM = "claims in place of work"
FRAGMENT = '{"version": "v1", "state": "completed", "summary": "Mended; all tests pass", "validations": []}'
REPORT = "<testsuite tests='1'><testcase classname='tests.test_pages' name='test_last_page'/></testsuite>"

_claim = partial(Case, kind=CLAIM, layout=UNITTEST, right=UNPROVEN)

CASES = (
    _claim(
        name="says completed in its result file",
        script=f"echo '{FRAGMENT}' > \"$CODENCER_RESULT_FILE\"\n",
        why="a fragment carries no verdict",
    ),
    _claim(
        name="leaves a report of tests that never ran",
        layout=PYTEST,
        script=f'echo "{REPORT}" > report.xml\n',
        check={"command": "true", "clean": False},
        why="an old report is removed before the command runs",
    ),
    _claim(
        name="leaves its report as a link",
        layout=PYTEST,
        script=f'echo "{REPORT}" > kept.xml\nln -s kept.xml report.xml\n',
        check={"command": "true", "clean": False},
        why="the link is removed like any old report",
    ),
    _claim(
        name="writes a policy that lets everything pass",
        script=write(".codencer/policies/basic.yaml", "version: v1\nname: basic\ncontinue_when: {}\n"),
        why="the policy was frozen when the step was submitted",
    ),
    _claim(
        name="changes nothing where nothing is tested",
        layout=SHELL,
        script="echo 'Documented everything.'\n",
        task={"policy_bundle": "docs_only", "validations": []},
        right=ASKED,
        why="the policy wants to know when no file was changed",
    ),
    _claim(
        name="does nothing where the tests pass already",
        layout=SHELL,
        script="true\n",
        check={"command": "sh bin/pages 20 10 | grep -q 2"},
        why="a test that passes on the base proves nothing",
    ),
)
