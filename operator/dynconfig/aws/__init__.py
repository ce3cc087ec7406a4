"""What the kinds need of AWS: sessions, quotas and the meaning of its errors."""
