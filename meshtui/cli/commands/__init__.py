"""The commands, one per file: each module has a ``COMMAND`` with the name of its file (``_`` stands for ``-``).

They are discovered in this folder, and imported to be run, described or completed. A command imports its dependencies in its
body, because ``meshtui --help`` imports all command modules and has to stay fast.
"""
