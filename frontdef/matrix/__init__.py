"""The runner: a matrix of cells, each attacked, verified and stored on its own."""
