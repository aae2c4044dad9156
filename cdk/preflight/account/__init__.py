"""What only the account can tell: its quotas, its bootstrap, and names that somebody else has taken. Asks, never
changes anything.
"""
