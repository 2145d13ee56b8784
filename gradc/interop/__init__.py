"""Bridges to other libraries; each is an extra, imported by name only: `import gradc.interop.pytensor`."""
