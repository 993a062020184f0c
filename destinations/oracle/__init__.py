"""The order oracle: what a destination was sent, held against what was accepted.

    script  how a sink answers
    server  the HTTP server of every sink, also of those of `verify` and of the benchmarks
    sink    a destination for tests, which records every arrival
    check   the judgement

Must never look into the pipeline: it knows the client's and the destination's side.
"""
