"""The bookstore's rules: each module defines ``RULE``; its page in ``pages`` explains it to operators."""
