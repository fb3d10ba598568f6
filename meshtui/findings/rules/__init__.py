"""The rules: each module defines ``RULE``; its page explains it to operators."""
