"""The order oracle: what a destination was sent, held against what was accepted.

`script` says how the sink answers, `sink` is a destination on a real socket that records every arrival, `check` judges.
Used by the tests and by `verify`. Must never look into the pipeline: it knows the client's and the destination's side.
"""
