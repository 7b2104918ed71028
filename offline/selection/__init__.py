"""Selection: of what the Oracle wrote, the best text of each event that is worth learning from (the select step)."""
