"""The commands, one a file: each module has a ``COMMAND`` and the name of its file (``_`` stands for ``-``).

They are found by looking into this folder, and imported when they run, are helped with or completed. What a command needs
to do its work it imports in its body: reading all of them for ``meshtui --help`` has to stay fast.
"""
