"""What attempts consume, what it costs and what may be spent.

usage       what an attempt consumed          prices          what models cost
budgets     limits and what is spent of them  budget_changes  the verbs of budgets
allowance   how much one attempt may spend
"""
