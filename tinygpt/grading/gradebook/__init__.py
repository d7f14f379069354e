"""From reports to what a teacher hands back.

`intake.py` finds what was handed in, `tables.py` and `canvas.py` make the gradebooks, `feedback.py` and
`summary.py` the pages, `write.py` writes them; `autograder.py` packs all of it for Gradescope.
"""
