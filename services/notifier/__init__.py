"""The notifier: one agency's referrals rendered, sent, retried, parked and escalated until the agency answers."""
