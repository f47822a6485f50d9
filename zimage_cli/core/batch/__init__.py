"""Many prompts from a file: read, checked, made at the account's limit, and taken up again."""
