"""One referral on its way: attempts, schedule, breaker, order, digests, ends."""
