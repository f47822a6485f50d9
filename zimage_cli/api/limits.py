"""Every timeout, count and wait of the wire, each with its reason."""

from __future__ import annotations

CONNECT_TIMEOUT = 10.0
"""Seconds. A host that does not accept within this is as good as refused; trying again is free."""

READ_TIMEOUT = 330.0
"""Seconds. The service gives up after 300 s; we wait longer, and never abandon a paid answer."""

WRITE_TIMEOUT = 30.0
"""Seconds. A request is a few kilobytes; a line that cannot take that in half a minute is dead."""

IDLE_BEFORE_REQUEST = 3.0
"""Seconds. A server may close a connection that stays silent; a request on it would be in doubt."""

MODELS_TIMEOUT = 20.0
"""Seconds. The read-only call is for a person who waits in front of a check."""

PICTURE_READ_TIMEOUT = 30.0
"""Seconds without one byte. The picture lies ready on a file host; silence means a dead line."""

PICTURE_TOTAL_TIMEOUT = 600.0
"""Seconds for one try. 64 MiB at 1 Mbit/s take about nine minutes."""

RETRIES = 4
"""With full jitter up to 1, 2, 4, 8 s: rides out a burst limit and a short outage."""

MAX_RETRIES = 100
"""More is taken for a mistake in a script."""

MAX_TIMEOUT = 3600.0
"""Seconds. The service itself ends every call after 300 s."""

QUOTA_RETRIES = 2
"""A used-up quota rarely comes back within minutes: try few times, with long waits."""

WAIT_BASE = 1.0
"""Seconds. The limit is counted by the second, so the first wait spans about one window."""

WAIT_MAX = 60.0
"""Seconds. The account's other limit is counted by the minute."""

BURST_WAIT_BASE = 3.0
"""Seconds. `BurstRate` says that the rate rose too quickly: come back slower."""

QUOTA_WAIT_BASE = 20.0
"""Seconds, doubled by each try."""

QUOTA_WAIT_LEAST = 10.0
"""Seconds. Full jitter could say 0; a quota that was used up a moment ago still is."""

RETRY_AFTER_MAX = 120.0
"""Seconds. A longer Retry-After is not waited out: it is the user's call."""

PICTURE_RETRIES = 4
"""A download costs nothing and its URL lives 24 hours."""

PICTURE_WAIT_BASE = 0.5
"""Seconds. A file host has no rate limit of ours to respect."""

PICTURE_MAX_BYTES = 64 * 1024 * 1024
"""2048*2048 pixels of 4 bytes are 16 MiB before compression; more than 64 MiB is no picture."""

ANSWER_MAX_BYTES = 1024 * 1024
"""An answer is a few kilobytes; rewritten prompt and reasoning can make it some tens.

Read as JSON, the worst of a mebibyte takes some thirty of memory."""

MAX_REDIRECTS = 5
"""For picture downloads only. The API is never followed elsewhere: it would take the key along."""

URL_LIFETIME_HOURS = 24
"""How long the service keeps a picture behind its signed URL."""
