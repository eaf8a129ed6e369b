"""Training, testing and everything around them. The entry points are :mod:`.train` and :mod:`.test`."""
