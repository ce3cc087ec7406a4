"""The contract with users: what they write, what they read, and the CRD made from both."""
