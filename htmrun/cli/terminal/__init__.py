"""The terminal: live bars or plain lines while a run goes on, then a table or one JSON line."""
