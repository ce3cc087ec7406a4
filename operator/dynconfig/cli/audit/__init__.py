"""The report for auditors: what is managed where and by whom, its drift, rollbacks and plaintext secrets."""
