"""The SDR classifier on a card."""
