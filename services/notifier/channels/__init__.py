"""How an agency is reached: the modules of each channel."""
