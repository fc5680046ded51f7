"""The spatial pooler on a card."""
