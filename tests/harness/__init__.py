"""Generic checks that every method passes: any batch size, exact resume, ranks equal one process."""
