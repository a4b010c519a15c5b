"""Speech: spoken digits, one by one (a classifier) or in strings (CTC)."""
