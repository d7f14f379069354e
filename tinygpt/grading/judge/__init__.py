"""The judge: a submission runs in a sandbox, and its answers are compared out here.

`engines.py` knows the sandboxes of this machine, `sandbox.py` starts a worker in one and watches over it,
`inside/` is what runs there, `remote.py` asks it over a pipe, `grade.py` makes a report of the answers,
`batch.py` does so for a class.
"""

from tinygpt.grading.judge.engines import engine
from tinygpt.grading.judge.grade import Report, grade_one
from tinygpt.grading.judge.limits import Limits

__all__ = ["Limits", "Report", "engine", "grade_one"]
