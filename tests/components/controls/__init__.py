"""Tests of controls: forecasts that an arm has to beat."""
