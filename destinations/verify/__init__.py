"""`manage.py verify`: what was acknowledged, held against what arrived.

    load       what is sent, as the user asked for it
    traffic    which users' events come next, and the events themselves
    sender     a process that sends like an SDK; `senders` starts and ends them
    sink       the destination that the events are delivered to
    answers    what the sink answers
    ledger     the file in which all of them note what happened
    records    that file and the log of a sink elsewhere, as a run reads them
    account    the judgement, record by record
    marks      what tells that a row was made by a run
    site       setting up, conservation and cleaning up: `local` through the database, `remote` through the API
    run        all of it together: `verify`
    report     what is printed
    arguments  the command's options

What happened is known from the ledger alone: senders and sink write it, the judgement reads it, also after a crash.
Must never look into the pipeline to judge it: only the terms of the conservation equation come from there.
"""
