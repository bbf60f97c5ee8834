"""How many one-change mutants of the libraries' own attack code do the verdicts and `check-attack` notice?"""
