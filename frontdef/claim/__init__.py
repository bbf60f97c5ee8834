"""A claim that anyone can check: the examples that lower each worst case, and a script that scores them again."""
