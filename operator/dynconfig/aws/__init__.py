"""AWS access: sessions, quotas, errors and events."""
