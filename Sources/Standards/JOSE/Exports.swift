/// Whoever reads keys also names their kinds.
@_exported import KeyEncoding
