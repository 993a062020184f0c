"""The demo: a web page that tracks with the official SDK, and a plug to pull. For the local default only."""
