"""What comes back: receipts, links, questions."""
