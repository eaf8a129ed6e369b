"""What methods gain when they get what they need: a queue of runs, a result file each, tables made from the files."""
