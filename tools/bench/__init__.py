"""How fast tvstreamer is, as multiples of loops written plainly with the standard library. See docs/PERFORMANCE.md."""
