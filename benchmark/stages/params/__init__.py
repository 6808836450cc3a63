"""What each kind of stage is told (`Params`) and says of its artifact (`Summary`).

One light file per kind: a key depends on the types of the stages it builds on, not on their code.
"""
