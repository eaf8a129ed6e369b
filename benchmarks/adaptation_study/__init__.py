"""What methods gain when they get what they need: a queue of runs, one result file a run, tables made from the files."""
