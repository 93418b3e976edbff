"""Plays the mesh against an agency's webhook, case by case, and says what to do about each that fails."""
