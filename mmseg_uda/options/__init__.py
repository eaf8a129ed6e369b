"""Command lines of the tools, with the standard library alone: a tool reads its arguments before it imports anything
heavy, and ``--help`` answers at once.

``mmseg_uda_command.run_tool`` loads these modules by their files, without the package around them.
"""
