"""A client of the Ringpost device protocol, written from docs/protocol.md alone.

``Client`` is what an app uses; ``frames``, ``stream`` and ``push_body`` are the bytes.
"""
