"""Where a run may be logged beside its folder: nothing is, unless `on_job` names one. A third needs no change here."""
