"""Search over an experiment's settings, on Optuna: studies, trials, and where trials run."""
