"""From YAML and overrides to a checked experiment or sweep, and back; errors name the field."""
