"""Everything that a stage reads of the stages before it. One file per thing, so that a key holds the loaders it needs only."""
