"""The version of this tool; plan and record formats have versions of their own."""

VERSION = "0.1.0"
