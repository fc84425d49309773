"""Signatures of doctors under the paper of a result: PAdES, by a token or by a service. Knows no case and no page.

The key is always somewhere else: what leaves is a SHA-256 hash of 32 bytes, what comes back is the signature.
"""
