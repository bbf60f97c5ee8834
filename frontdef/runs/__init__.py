"""Runs any plan of jobs, and knows no kind of them: what is stored, what is resumed, who runs it, who is told."""
