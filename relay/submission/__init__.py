"""A message comes in to be sent: from whichever door, through `accept`."""
