"""Where and how jobs run: devices, processes, a card's shared launches, a Ray cluster."""
