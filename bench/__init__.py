"""What the whole pipeline does on this machine: `make bench` starts stacks of its own, loads them and reads off.

    load       sends events as fast as they are answered, or at a rate; `events` and `users` say which
    sink       the destinations: count, check the order per user, measure the way of each event; `ledger` is how
    layout     a stack under test, started as `make run` does, in a folder of its own
    peer       any other server with the same HTTP API, for comparison
    usage      CPU time and memory by role
    claims     how long a claim takes
    spy        what the processes do with their time
    scenarios  what is measured
    machine    what it is measured on, and how fast that is
    figures    medians and spread; `rows` lays them out, `report` keeps them, `page` puts them into docs/performance.md

Generator, sink and stack share the machine, so the numbers are those of everything together.
"""
