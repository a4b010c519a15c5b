"""What the processes of a sweep call the same."""

# Where the chief says how it is reached.
ADDRESS = "state/chief.json"

# Exit code of a process: the same start would end the same way.
WRONG = 2

# Workers of the supervisor, which sees by itself whether they live.
LOCAL = "local-"
