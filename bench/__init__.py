"""What the whole pipeline does on this machine: `make bench` starts a stack of its own, loads it and reads off.

    load       sends events as fast as they are answered, or at a rate
    sink       the destination: counts, checks the order per user, measures the way of each event
    stack      the stack under test, started as `make run` does, in a folder of its own
    usage      CPU time by role
    scenarios  what is measured
    report     medians, the table, bench/results.json

Generator, sink and stack share the machine, so the numbers are those of everything together.
"""
