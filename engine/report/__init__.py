"""The daily report: what it looks like, and how it is mailed."""
