"""What is measured: `registry` has the list, the other modules one kind of measurement each.

scenario  what a scenario is
driving   sending a load and waiting for it, with the meters beside
flow      in and out at once, or in alone
drain     a backlog
hung      one destination hangs
idle      nothing to do
pending   a backlog of any size, and what a claim takes then
growth    the same with more of something
"""
