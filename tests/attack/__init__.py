"""An attack on what the project reads and runs, a case at a time: `cases`, `run`."""
