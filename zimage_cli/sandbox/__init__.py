"""The loopback stand-in for the service: same wire format, same checks, no key, no cost."""
