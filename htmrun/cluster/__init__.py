"""A Ray cluster that is there already: connecting, its nodes, actors on them, jobs of a run.

Only the process that connects knows the tracking server and the study. An actor gets what it is
to run and says what comes of it, so a node that dies takes along what runs on it and nothing that
was recorded.
"""
