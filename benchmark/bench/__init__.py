"""How fast this machine runs what the benchmark does, and how far that is from what the machine could do."""
