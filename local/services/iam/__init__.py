"""Who may do what: IAM's policies as pure functions, who a caller is, and what AWS authorises for each API call."""
