"""The temporal memory on a card."""
