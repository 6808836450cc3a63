"""What a user can add (a method, a policy, an environment) and what passes between it and the pipeline."""
