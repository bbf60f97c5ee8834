"""What other people's files do to frontdef: each case by hand, and ten thousand by chance. ``make test-faults``."""
