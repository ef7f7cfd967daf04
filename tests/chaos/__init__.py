"""Disturbs a real product while it works, and looks whether anything was lost or doubled.

installation.py  the product, and a second worker as on another machine
door.py          the API over real HTTP, with three answers: yes, no, and nobody knows
feeding.py       threads that queue tasks and cancel some; asked.py keeps what they were told
disturbances.py  what is done to it; schedule.py decides when, by a seed
history.py       the rows and events that came of it
invariants.py    what must be true of them
figures.py       what can be counted
campaign.py      one whole run
"""
